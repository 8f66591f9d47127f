// The databases' accounts of the fleet's programs: what each may do with which table, and no more.
#pragma once

#include "common/catalogue/admin.hpp"
#include "common/postgres/session.hpp"

namespace cartwright::operating {

/// Makes the roles of all programs, gives them the settings that keep the order of locks, exactly their
/// rights, and the passwords that the environment holds. Safe to repeat.
void set_up_roles(postgres::Transaction& transaction);

/// Makes the one account that reads the catalogue where the environment holds its password, and gives it
/// exactly its rights.
void set_up_reader(catalogue::Admin& admin);

}  // namespace cartwright::operating
