// Reads a document's tree where its shape is not that of a struct: lists of rules, maps of names.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/config/document.hpp"
#include "common/config/problems.hpp"

namespace cartwright::config {

/// Each call records a problem where the node is not what is asked for, and reads what can be read.
class Tree {
  public:
    explicit Tree(Problems& problems) : problems_(problems) {}

    void complain(const Node& node, std::string what) { problems_.add(node.at, std::move(what)); }

    /// Calls back for each entry of a mapping whose key is known; others are problems.
    using EntryReader = std::function<void(const std::string& key, const Node& value)>;
    void mapping(const Node& node, const std::string& what, const std::vector<std::string>& known,
                 const EntryReader& read);
    /// The same with any keys.
    void named(const Node& node, const std::string& what, const std::function<void(const Entry&)>& read);
    void list(const Node& node, const std::string& what, std::size_t items_max,
              const std::function<void(const Node&)>& read);
    std::string text(const Node& node, const std::string& what, std::size_t bytes_max);
    /// A list of texts, or one text alone; never empty when there was no problem.
    std::vector<std::string> texts(const Node& node, const std::string& what, std::size_t bytes_max);
    std::optional<std::int64_t> integer(const Node& node, const std::string& what, std::int64_t min,
                                        std::int64_t max);
    std::optional<bool> boolean(const Node& node, const std::string& what);

  private:
    Problems& problems_;
};

}  // namespace cartwright::config
