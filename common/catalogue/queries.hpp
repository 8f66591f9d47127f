// The catalogue's SQL. {} takes a list of quoted ids.
#pragma once

namespace cartwright::catalogue::queries {

/// The offers of some SKUs with what matters of their sellers. Order and index are not left to the server:
/// with statistics from before a bulk load it reads every offer of every seller instead.
inline constexpr const char* offers = R"(
select o.sku, o.seller_id, o.price_minor, o.currency, o.status = 'active', s.status = 'active', s.region,
       s.tags, o.category, o.version
from offer o force index (offer_by_sku) straight_join seller s on s.seller_id = o.seller_id
where o.sku in ({}))";

/// The named warehouses of some sellers.
inline constexpr const char* warehouses = R"(
select seller_id, warehouse, priority from warehouse where seller_id in ({}))";

/// Whether `migrate` was ever here.
inline constexpr const char* has_schema_version = R"(
select count(*) from information_schema.tables
where table_schema = database() and table_name = 'schema_version')";

inline constexpr const char* schema_version = "select coalesce(max(version), 0) from schema_version";

}  // namespace cartwright::catalogue::queries
