#include "common/config/reader.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include "common/config/nearest.hpp"
#include "common/config/secret.hpp"
#include "common/outcome/trouble.hpp"

namespace cartwright::config {

namespace {

const char* kind_of(const Node& node) {
    switch (node.kind) {
        case NodeKind::nothing:
            return "empty";
        case NodeKind::scalar:
            return "a single value";
        case NodeKind::list:
            return "a list";
        case NodeKind::mapping:
            return "a mapping";
        case NodeKind::unusable:
            break;
    }
    return "unusable";
}

bool contains(const std::vector<std::string>& texts, const std::string& text) {
    return std::find(texts.begin(), texts.end(), text) != texts.end();
}

std::string words_of(std::span<const Choice> choices) {
    std::string words;
    for (const Choice& choice : choices) words += (words.empty() ? "" : ", ") + std::string(choice.text);
    return words;
}

}  // namespace

Reader::Reader(const Node& root, Problems& problems) : problems_(problems) {
    const bool usable = root.kind == NodeKind::mapping;
    if (!usable && root.kind != NodeKind::nothing) {
        problems_.add(root.at, fmt::format("the file is {}; write keys and values", kind_of(root)));
    }
    enter(usable ? &root : nullptr, {1, 1}, "");
}

std::string Reader::path_of(const std::string& name) const {
    const std::string& path = frames_.back().path;
    return path.empty() ? name : path + "." + name;
}

void Reader::enter(const Node* node, Position at, std::string path) {
    frames_.push_back({node, at, std::move(path), {}, problems_.size()});
}

// Also notes that the key is known.
const Entry* Reader::find(const char* name) {
    Frame& frame = frames_.back();
    CARTWRIGHT_ASSERT(!contains(frame.known, name));
    frame.known.emplace_back(name);
    if (frame.node == nullptr) return nullptr;
    for (const Entry& entry : frame.node->entries) {
        if (entry.key == name) return &entry;
    }
    return nullptr;
}

// Null where the file says nothing or has something else there, which is then a problem.
const Node* Reader::find_scalar(const char* name, const char* wanted) {
    const Entry* entry = find(name);
    if (entry == nullptr || entry->value.kind == NodeKind::unusable) return nullptr;
    if (entry->value.kind == NodeKind::scalar) return &entry->value;
    problems_.add(entry->at, fmt::format("{} is {}; write {}, or remove the key", path_of(name),
                                         kind_of(entry->value), wanted));
    return nullptr;
}

const Node* Reader::find_list(const char* name, const char* wanted) {
    const Entry* entry = find(name);
    if (entry == nullptr || entry->value.kind == NodeKind::unusable) return nullptr;
    if (entry->value.kind != NodeKind::list) {
        problems_.add(entry->at, fmt::format("{} is {}; write a list of {}, or remove the key", path_of(name),
                                             kind_of(entry->value), wanted));
        return nullptr;
    }
    bool usable = true;
    for (const Node& item : entry->value.items) {
        if (item.kind == NodeKind::scalar) continue;
        usable = false;
        if (item.kind == NodeKind::unusable) continue;
        problems_.add(item.at,
                      fmt::format("an item of {} is {}; write {}", path_of(name), kind_of(item), wanted));
    }
    if (entry->value.items.size() > list_items_max) {
        problems_.add(entry->at, fmt::format("{} has {} items; write at most {}", path_of(name),
                                             entry->value.items.size(), list_items_max));
        return nullptr;
    }
    return usable ? &entry->value : nullptr;
}

std::optional<std::int64_t> Reader::parse_integer(const char* name, const Node& node, Range range,
                                                  const char* unit) {
    std::int64_t number = 0;
    const char* end = node.text.data() + node.text.size();
    const auto [stopped, trouble] = std::from_chars(node.text.data(), end, number);
    const bool whole = stopped == end && !node.quoted && trouble != std::errc::invalid_argument;
    if (whole && trouble == std::errc() && number >= range.min && number <= range.max) return number;
    const std::string wanted =
        fmt::format("write a whole number{} from {} to {}", unit, range.min, range.max);
    if (whole) {
        problems_.add(node.at,
                      fmt::format("{} is {}, which is out of range; {}", path_of(name), node.text, wanted));
    } else {
        problems_.add(node.at, fmt::format("{} is {}; {}{}", path_of(name), shown(node.text), wanted,
                                           node.quoted ? ", without quotes" : ""));
    }
    return std::nullopt;
}

void Reader::field(const char* name, std::string& value, const char*) {
    if (const Node* node = find_scalar(name, "text")) value = node->text;
}

void Reader::field(const char* name, bool& value, const char*) {
    const Node* node = find_scalar(name, "true or false");
    if (node == nullptr) return;
    const bool is_true = node->text == "true";
    if ((is_true || node->text == "false") && !node->quoted) {
        value = is_true;
    } else {
        problems_.add(node->at, fmt::format("{} is {}; write true or false{}", path_of(name),
                                            shown(node->text), node->quoted ? ", without quotes" : ""));
    }
}

void Reader::field(const char* name, std::int64_t& value, Range range, const char*) {
    CARTWRIGHT_ASSERT(range.min <= value && value <= range.max);
    const Node* node = find_scalar(name, "a whole number");
    if (node != nullptr) value = parse_integer(name, *node, range, "").value_or(value);
}

void Reader::field(const char* name, std::size_t& value, Range range, const char* help) {
    CARTWRIGHT_ASSERT(range.min >= 0);
    auto number = static_cast<std::int64_t>(value);
    field(name, number, range, help);
    value = static_cast<std::size_t>(number);
}

void Reader::field(const char* name, int& value, Range range, const char* help) {
    CARTWRIGHT_ASSERT(std::in_range<int>(range.min) && std::in_range<int>(range.max));
    std::int64_t number = value;
    field(name, number, range, help);
    value = static_cast<int>(number);
}

void Reader::field(const char* name, std::chrono::milliseconds& value, Range range, const char*) {
    CARTWRIGHT_ASSERT(range.min <= value.count() && value.count() <= range.max);
    CARTWRIGHT_ASSERT(std::string_view(name).ends_with("_ms"));
    const Node* node = find_scalar(name, "a whole number of milliseconds");
    if (node == nullptr) return;
    const std::optional<std::int64_t> number = parse_integer(name, *node, range, " of milliseconds");
    if (number) value = std::chrono::milliseconds(*number);
}

void Reader::field(const char* name, std::vector<std::string>& value, const char*) {
    const Node* node = find_list(name, "text");
    if (node == nullptr) return;
    value.clear();
    for (const Node& item : node->items) value.push_back(item.text);
}

void Reader::field(const char* name, std::vector<std::chrono::milliseconds>& value, Range range,
                   const char*) {
    CARTWRIGHT_ASSERT(std::string_view(name).ends_with("_ms"));
    const Node* node = find_list(name, "a whole number of milliseconds");
    if (node == nullptr) return;
    std::vector<std::chrono::milliseconds> read;
    for (const Node& item : node->items) {
        const std::optional<std::int64_t> number = parse_integer(name, item, range, " of milliseconds");
        if (number) read.emplace_back(*number);
    }
    if (read.size() == node->items.size()) value = std::move(read);
}

void Reader::choose(const char* name, int& number, std::span<const Choice> choices, const char*) {
    const std::string words = words_of(choices);
    const Node* node = find_scalar(name, ("one of " + words).c_str());
    if (node == nullptr) return;
    std::vector<std::string> texts;
    for (const Choice& choice : choices) {
        texts.emplace_back(choice.text);
        if (node->text == choice.text) {
            number = choice.number;
            return;
        }
    }
    const std::string meant = nearest(node->text, texts);
    problems_.add(node->at,
                  fmt::format("{} is {}; {}write one of {}", path_of(name), shown(node->text),
                              meant.empty() ? "" : fmt::format("did you mean '{}'? ", meant), words));
}

void Reader::secret(const char* name, std::string& value, const char* environment, const char*) {
    if (const Node* node = find_scalar(name, "text")) value = node->text;
    if (auto found = secret_from_environment(environment, problems_)) value = std::move(*found);
}

// Silent where something in the section is wrong already: the values compared may not be those that were
// meant.
void Reader::require(const char* name, bool holds, const std::string& trouble) {
    const Frame& frame = frames_.back();
    CARTWRIGHT_ASSERT(contains(frame.known, name));
    if (holds || problems_.size() > frame.problems_before) return;
    Position at = frame.at;
    if (frame.node != nullptr) {
        for (const Entry& entry : frame.node->entries) {
            if (entry.key == name) at = entry.at;
        }
    }
    problems_.add(at, fmt::format("{} {}", path_of(name), trouble));
}

void Reader::enter_section(const char* name, const char*) {
    std::string path = path_of(name);
    const Position outside = frames_.back().at;
    const Entry* entry = find(name);
    const bool usable = entry != nullptr && entry->value.kind == NodeKind::mapping;
    const bool absent = entry == nullptr || entry->value.kind == NodeKind::nothing;
    if (!usable && !absent && entry->value.kind != NodeKind::unusable) {
        problems_.add(entry->at,
                      fmt::format("{} is {}; write keys and values below it", path, kind_of(entry->value)));
    }
    enter(usable ? &entry->value : nullptr, entry == nullptr ? outside : entry->at, std::move(path));
}

std::size_t Reader::enter_list(const char* name, std::size_t, std::size_t items_max, const char*) {
    std::string path = path_of(name);
    const Position outside = frames_.back().at;
    const Entry* entry = find(name);
    const Node* list = nullptr;
    if (entry != nullptr && entry->value.kind != NodeKind::unusable) {
        const Node& value = entry->value;
        if (value.kind != NodeKind::list) {
            problems_.add(entry->at,
                          fmt::format("{} is {}; write a list (each item begins with a dash), or remove "
                                      "the key",
                                      path, kind_of(value)));
        } else if (value.items.size() > items_max) {
            problems_.add(entry->at, fmt::format("{} has {} items; write at most {}", path,
                                                 value.items.size(), items_max));
        } else {
            list = &value;
        }
    }
    enter(list, entry == nullptr ? outside : entry->at, std::move(path));
    return list == nullptr ? unchanged : list->items.size();
}

void Reader::enter_item(std::size_t index) {
    const Frame& list = frames_.back();
    const Node& item = list.node->items[index];
    std::string path = fmt::format("{}[{}]", list.path, index);
    const bool usable = item.kind == NodeKind::mapping;
    if (!usable && item.kind != NodeKind::unusable) {
        problems_.add(item.at, fmt::format("{} is {}; write keys and values", path, kind_of(item)));
    }
    enter(usable ? &item : nullptr, item.at, std::move(path));
}

void Reader::report_unknown(const Frame& frame, const Entry& entry) {
    const std::string where = frame.path.empty() ? "" : fmt::format(" in {}", frame.path);
    const std::string meant = nearest(entry.key, frame.known);
    const std::string advice = meant.empty()
                                   ? fmt::format("remove it (known here: {})", fmt::join(frame.known, ", "))
                                   : fmt::format("did you mean '{}'?", meant);
    problems_.add(entry.at, fmt::format("unknown key {}{}; {}", shown(entry.key), where, advice));
}

void Reader::leave() {
    const Frame frame = std::move(frames_.back());
    frames_.pop_back();
    if (frame.node == nullptr) return;
    for (const Entry& entry : frame.node->entries) {
        if (!contains(frame.known, entry.key)) report_unknown(frame, entry);
    }
}

void Reader::finish(const std::vector<std::string>& foreign_sections) {
    CARTWRIGHT_ASSERT(frames_.size() == 1);
    Frame& root = frames_.back();
    root.known.insert(root.known.end(), foreign_sections.begin(), foreign_sections.end());
    leave();
}

}  // namespace cartwright::config
