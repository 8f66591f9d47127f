#include "common/config/config.hpp"

#include <fmt/format.h>

#include <variant>

#include "common/config/document.hpp"
#include "common/config/file.hpp"
#include "common/config/problems.hpp"
#include "common/config/reader.hpp"
#include "common/outcome/trouble.hpp"

namespace cartwright::config {

void load_text_described(const Describe& describe, const std::string& text, const std::string& file_name,
                         const std::vector<std::string>& foreign_sections) {
    Problems problems(file_name);
    const Node root = parse_document(text, problems);
    if (root.kind == NodeKind::unusable) problems.throw_if_any();
    Reader reader(root, problems);
    describe(reader);
    reader.finish(foreign_sections);
    problems.throw_if_any();
}

void load_described(const Describe& describe, const std::string& path,
                    const std::vector<std::string>& foreign_sections) {
    const auto content = read_file(path, file_bytes_max);
    if (const auto* trouble = std::get_if<Unreadable>(&content)) {
        throw outcome::StartupError(
            fmt::format("{}:1:1: the configuration cannot be read ({}); name a file that this "
                        "user may read",
                        path, trouble->reason));
    }
    load_text_described(describe, std::get<std::string>(content), path, foreign_sections);
}

}  // namespace cartwright::config
