// Puts parameters into a statement.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace cartwright::catalogue {

/// Replaces each `?` outside quotes and comments by the next parameter as `quote` writes it. As many of them
/// as parameters: anything else is a bug.
std::string bind_parameters(std::string_view sql, const std::vector<std::string>& parameters,
                            const std::function<std::string(const std::string&)>& quote);

}  // namespace cartwright::catalogue
