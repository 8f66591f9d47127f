// What the workers' database role is set to. A role's settings hold on every connection of its, also on the
// worker nodes of a distributed database, where a session's would not.
#pragma once

#include <array>

namespace cartwright::postgres {

struct RoleSetting {
    const char* name;
    const char* value;  ///< as ALTER ROLE takes it and SHOW prints it
};

/// The planner switches make a sorted array drive an index nested loop, so that rows are locked in its order;
/// the time limits free the rows of a process that was frozen or cut off.
inline constexpr std::array<RoleSetting, 10> role_settings{{{"enable_hashjoin", "off"},
                                                            {"enable_mergejoin", "off"},
                                                            {"enable_seqscan", "off"},
                                                            {"jit", "off"},
                                                            {"idle_in_transaction_session_timeout", "15s"},
                                                            {"lock_timeout", "10s"},
                                                            {"statement_timeout", "30s"},
                                                            {"tcp_keepalives_idle", "10"},
                                                            {"tcp_keepalives_interval", "5"},
                                                            {"tcp_keepalives_count", "3"}}};

}  // namespace cartwright::postgres
