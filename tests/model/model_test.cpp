// The product's handlers in a model without servers.
#include <doctest/doctest.h>

#include <string>

#include "tests/model/statement.hpp"

using namespace cartwright::model;

TEST_CASE("the model knows every statement as it is written") {
    for (const auto* one : all_statements()) {
        INFO(std::string(one->statement->name), " has changed: model it again, then note its fingerprint ",
             fingerprint(one->statement->sql));
        CHECK(fingerprint(one->statement->sql) == one->fingerprint);
    }
}
