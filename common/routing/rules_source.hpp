// Where the rules come from while they may be reloaded.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "common/routing/rules.hpp"

namespace cartwright::routing {

/// The rules as they are now, never null. Any thread.
using RulesSource = std::function<std::shared_ptr<const Rules>()>;

/// Rules that never change.
inline RulesSource fixed_rules(Rules rules = Rules()) {
    return [fixed = std::make_shared<const Rules>(std::move(rules))] { return fixed; };
}

}  // namespace cartwright::routing
