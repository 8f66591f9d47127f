// A YAML document as a plain tree with positions, after everything that yaml-cpp would let pass was refused.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/config/problems.hpp"

namespace cartwright::config {

enum class NodeKind { nothing, scalar, list, mapping, unusable };

struct Entry;

struct Node {
    NodeKind kind = NodeKind::nothing;  ///< unusable: a problem about it is recorded already
    Position at;
    std::string text;     ///< of a scalar
    bool quoted = false;  ///< a scalar in quotes, or a block of text
    std::vector<Node> items;
    std::vector<Entry> entries;
};

struct Entry {
    std::string key;
    Position at;
    Node value;
};

/// Bytes that are no UTF-8 text, syntax errors, anchors, aliases, tags, duplicate keys, keys that are no
/// plain text, a second document and too deep nesting become problems; what could be read is returned all the
/// same.
Node parse_document(std::string_view text, Problems& problems);

}  // namespace cartwright::config
