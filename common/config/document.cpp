#include "common/config/document.hpp"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <optional>
#include <sstream>
#include <unordered_map>
#include <utility>

#include "common/config/config.hpp"
#include "common/text/utf8.hpp"

namespace cartwright::config {

namespace {

constexpr std::size_t encoding_problems_max = 5;
constexpr std::size_t syntax_words_bytes_max = 200;

// Ends the parse early; the problem is recorded.
struct Abandoned {};

Position position_of(const YAML::Mark& mark) {
    if (mark.is_null()) return {};
    return {mark.line + 1, mark.column + 1};
}

Node make_node(NodeKind kind, const YAML::Mark& mark) {
    Node node;
    node.kind = kind;
    node.at = position_of(mark);
    return node;
}

// Builds the tree from yaml-cpp's events. Its own tree would hide duplicates, anchors and where keys stand.
class Builder : public YAML::EventHandler {
  public:
    explicit Builder(Problems& problems) : problems_(problems) {}

    Node take_root() { return std::move(root_); }

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (documents_++ == 0) return;
        problems_.add(position_of(mark), "a second document begins here; keep one document in a file");
        throw Abandoned{};
    }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
        place(make_node(NodeKind::nothing, mark));
    }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
        problems_.add(position_of(mark), "aliases are not supported; write the value out");
        place(make_node(NodeKind::unusable, mark));
    }

    void OnAnchor(const YAML::Mark& mark, const std::string& name) override {
        problems_.add(position_of(mark),
                      fmt::format("anchors are not supported; remove {}", shown("&" + name)));
    }

    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  const std::string& value) override {
        check_tag(mark, tag);
        Node node = make_node(NodeKind::scalar, mark);
        node.text = value;
        node.quoted = tag != "?";
        place(std::move(node));
    }

    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                         YAML::EmitterStyle::value) override {
        check_tag(mark, tag);
        open(NodeKind::list, mark);
    }
    void OnSequenceEnd() override { close(); }

    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                    YAML::EmitterStyle::value) override {
        check_tag(mark, tag);
        open(NodeKind::mapping, mark);
    }
    void OnMapEnd() override { close(); }

  private:
    struct Open {
        Node node;
        std::optional<Entry> entry;                 // a key that waits for its value
        std::unordered_map<std::string, int> keys;  // and the lines they stand on
    };

    void check_tag(const YAML::Mark& mark, const std::string& tag) {
        if (tag.empty() || tag == "?" || tag == "!") return;
        problems_.add(position_of(mark), fmt::format("tags are not supported; remove {}", shown(tag)));
    }

    void open(NodeKind kind, const YAML::Mark& mark) {
        if (open_.size() >= depth_max) {
            problems_.add(position_of(mark), fmt::format("nested too deep; at most {} levels", depth_max));
            throw Abandoned{};
        }
        open_.push_back({make_node(kind, mark), std::nullopt, {}});
    }

    void close() {
        Node done = std::move(open_.back().node);
        open_.pop_back();
        place(std::move(done));
    }

    void place(Node node) {
        if (open_.empty()) {
            root_ = std::move(node);
            return;
        }
        Open& parent = open_.back();
        if (parent.node.kind == NodeKind::list) {
            parent.node.items.push_back(std::move(node));
        } else if (!parent.entry) {
            begin_entry(parent, node);
        } else {
            parent.entry->value = std::move(node);
            if (!parent.entry->key.empty()) parent.node.entries.push_back(std::move(*parent.entry));
            parent.entry.reset();
        }
    }

    // An entry without a usable key is dropped with its value.
    void begin_entry(Open& parent, const Node& key) {
        parent.entry = Entry{{}, key.at, {}};
        if (key.kind == NodeKind::unusable) return;
        if (key.kind != NodeKind::scalar || key.text.empty()) {
            problems_.add(key.at, "a key is not plain text; write a name");
            return;
        }
        const auto [same, first] = parent.keys.emplace(key.text, key.at.line);
        if (!first) {
            problems_.add(key.at, fmt::format("duplicate key {}, first on line {}; keep one", shown(key.text),
                                              same->second));
            return;
        }
        parent.entry->key = key.text;
    }

    Problems& problems_;
    Node root_;
    std::vector<Open> open_;
    int documents_ = 0;
};

Node unreadable() {
    Node node;
    node.kind = NodeKind::unusable;
    return node;
}

bool is_allowed_control(char c) {
    return c == '\n' || c == '\r' || c == '\t';
}

// The text with a replacement for each byte that has no place in it.
std::string checked_text(std::string_view text, Problems& problems) {
    std::string clean;
    clean.reserve(text.size());
    Position at;
    std::size_t found = 0;
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t length = text::utf8_sequence(text, i);
        const auto byte = static_cast<unsigned char>(text[i]);
        const bool control = length == 1 && (byte < 0x20 || byte == 0x7f) && !is_allowed_control(text[i]);
        if (length == 0 || control) {
            if (found++ < encoding_problems_max) {
                problems.add(at, fmt::format("byte 0x{:02x} {}; save the file as UTF-8 text", byte,
                                             control ? "is a control character" : "is not valid UTF-8"));
            }
            clean += "\xef\xbf\xbd";
            i += 1;
        } else {
            clean += text.substr(i, length);
            i += length;
        }
        at = byte == '\n' ? Position{at.line + 1, 1} : Position{at.line, at.column + 1};
    }
    return clean;
}

}  // namespace

Node parse_document(std::string_view text, Problems& problems) {
    if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) {
        problems.add({}, "the file is UTF-16; save it as UTF-8 text");
        return unreadable();
    }
    std::istringstream input(checked_text(text, problems));
    Builder builder(problems);
    try {
        YAML::Parser parser(input);
        while (parser.HandleNextDocument(builder)) {
        }
        return builder.take_root();
    } catch (const Abandoned&) {
    } catch (const YAML::Exception& trouble) {
        const bool star = trouble.msg.find("alias not found") != std::string::npos ||
                          trouble.msg.find("anchor is not defined") != std::string::npos;
        problems.add(position_of(trouble.mark),
                     fmt::format("not YAML: {}; {}", text::utf8_text(trouble.msg, syntax_words_bytes_max),
                                 star ? "put a text that begins with * in quotes" : "correct the syntax"));
    }
    return unreadable();
}

}  // namespace cartwright::config
