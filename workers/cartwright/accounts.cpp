#include "workers/cartwright/accounts.hpp"

#include <fmt/format.h>

#include <cctype>

#include "common/config/problems.hpp"
#include "common/config/secret.hpp"
#include "common/outcome/trouble.hpp"

namespace cartwright::operating {

std::string account_of(const std::string& program) {
    return "cartwright_" + program;
}

std::string password_variable(const std::string& program) {
    auto name = "CARTWRIGHT_" + program + "_PASSWORD";
    for (auto& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return name;
}

std::optional<std::string> password_of(const std::string& program) {
    config::Problems problems("");
    auto password = config::secret_from_environment(password_variable(program), problems);
    problems.throw_if_any();
    if (password && password->empty())
        throw outcome::StartupError(password_variable(program) + " is empty; put a password there");
    return password;
}

codec::ManagedPermission permission_of(const amqp::User& user) {
    return {account_of(user.program), user.configure, user.write, user.read};
}

}  // namespace cartwright::operating
