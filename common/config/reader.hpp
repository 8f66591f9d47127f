// The Binder that fills fields from a document and the environment.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/config/config.hpp"
#include "common/config/document.hpp"
#include "common/config/problems.hpp"

namespace cartwright::config {

class Reader : public Binder {
  public:
    /// `root` and `problems` outlive the reader.
    Reader(const Node& root, Problems& problems);

    void field(const char* name, std::string& value, const char* help) override;
    void field(const char* name, bool& value, const char* help) override;
    void field(const char* name, std::int64_t& value, Range range, const char* help) override;
    void field(const char* name, std::size_t& value, Range range, const char* help) override;
    void field(const char* name, int& value, Range range, const char* help) override;
    void field(const char* name, std::chrono::milliseconds& value, Range range, const char* help) override;
    void field(const char* name, std::vector<std::string>& value, const char* help) override;
    void field(const char* name, std::vector<std::chrono::milliseconds>& value, Range range,
               const char* help) override;
    void secret(const char* name, std::string& value, const char* environment, const char* help) override;
    void require(const char* name, bool holds, const std::string& trouble) override;

    /// Call once, after everything was described: what is left in the root is unknown, or another program's.
    void finish(const std::vector<std::string>& foreign_sections);

  protected:
    void choose(const char* name, int& number, std::span<const Choice> choices, const char* help) override;
    void enter_section(const char* name, const char* help) override;
    std::size_t enter_list(const char* name, std::size_t size, std::size_t items_max,
                           const char* help) override;
    void enter_item(std::size_t index) override;
    void leave() override;
    bool lists_items() const override { return false; }

  private:
    struct Frame {
        const Node* node;  // null where the file has no such section
        Position at;
        std::string path;  // of the section itself
        std::vector<std::string> known;
        std::size_t problems_before;
    };

    void enter(const Node* node, Position at, std::string path);
    const Entry* find(const char* name);
    const Node* find_scalar(const char* name, const char* wanted);
    const Node* find_list(const char* name, const char* wanted);
    std::optional<std::int64_t> parse_integer(const char* name, const Node& node, Range range,
                                              const char* unit);
    std::string path_of(const std::string& name) const;
    void report_unknown(const Frame& frame, const Entry& entry);

    Problems& problems_;
    std::vector<Frame> frames_;
};

}  // namespace cartwright::config
