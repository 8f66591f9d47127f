// The schema versions that the programs of this release work with: the highest numbers under
// deploy/migrations/.
#pragma once

#include <cstdint>

namespace cartwright::worker {

inline constexpr std::int64_t postgres_schema_version = 3;
inline constexpr std::int64_t catalogue_schema_version = 1;

}  // namespace cartwright::worker
