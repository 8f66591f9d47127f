// Which rules take a message, and why the others do not, for people.
#pragma once

#include <string>
#include <vector>

#include "common/codec/seller_order.hpp"
#include "common/routing/rules.hpp"

namespace cartwright::operating {

/// A message from `name=value` pairs (`tag`, `sku`, `category` and `warehouse` may be repeated), or from a
/// file (`-`: standard input): an event to a seller, or what an example gives. Both throw
/// outcome::StartupError that says what is wrong.
codec::RoutedOrder message_of(const std::vector<std::string>& pairs);
codec::RoutedOrder message_in(const std::string& file);

/// The page to print. Rules about other sellers are counted only, unless `all`.
std::string explained(const routing::Rules& rules, const codec::RoutedOrder& message, bool all);

}  // namespace cartwright::operating
