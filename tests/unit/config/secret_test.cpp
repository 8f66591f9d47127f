#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/unit/config/example.hpp"

using namespace example;

namespace {

// Sets EXAMPLE_URL and EXAMPLE_URL_FILE while it lives; null leaves one unset.
class Environment {
  public:
    Environment(const char* value, const char* file) {
        unset();
        if (value != nullptr) setenv("EXAMPLE_URL", value, 1);
        if (file != nullptr) setenv("EXAMPLE_URL_FILE", file, 1);
    }
    ~Environment() { unset(); }

  private:
    static void unset() {
        unsetenv("EXAMPLE_URL");
        unsetenv("EXAMPLE_URL_FILE");
    }
};

// A file with this content while it lives.
class TemporaryFile {
  public:
    explicit TemporaryFile(const std::string& content) {
        const int file = mkstemp(path_);
        REQUIRE(file >= 0);
        close(file);
        std::ofstream(path_) << content;
    }
    ~TemporaryFile() { std::remove(path_); }
    const char* path() const { return path_; }

  private:
    char path_[40] = "/tmp/cartwright_secret_XXXXXX";
};

std::string url_of(const std::string& text) {
    Service service;
    const std::string problems = problems_of(service, text);
    CHECK(problems == "");
    return service.url;
}

}  // namespace

TEST_CASE("the environment wins over the file") {
    {
        const Environment none(nullptr, nullptr);
        CHECK(url_of("url: in-file") == "in-file");
        CHECK(url_of("").empty());
    }
    {
        const Environment variable("from-environment", nullptr);
        CHECK(url_of("url: in-file") == "from-environment");
        CHECK(url_of("") == "from-environment");
    }
    {
        const Environment emptied("", "");
        CHECK(url_of("url: in-file") == "in-file");
    }
}

TEST_CASE("a file named by the environment holds it") {
    for (const auto& [content, secret] : {std::pair{"s3cret\n", "s3cret"},
                                          {"s3cret", "s3cret"},
                                          {"s3cret\r\n", "s3cret"},
                                          {" a\n\n", " a\n"}}) {
        const TemporaryFile file(content);
        const Environment variable(nullptr, file.path());
        CHECK(url_of("url: in-file") == secret);
    }
}

TEST_CASE("what is wrong with the environment is reported with everything else") {
    {
        const Environment variable(nullptr, "/nonexistent/secret");
        CHECK(problems_of("nmae: x") ==
              "environment: EXAMPLE_URL_FILE names '/nonexistent/secret', which cannot be read (No such file "
              "or "
              "directory); name a file that this user may read\n"
              "c.yaml:1:1: unknown key 'nmae'; did you mean 'name'?");
    }
    const Environment both("value", "/some/file");
    CHECK(problems_of("") == "environment: EXAMPLE_URL and EXAMPLE_URL_FILE are both set; unset one of them");
}

TEST_CASE("a secret is never printed") {
    const Environment variable("hidden-in-environment", nullptr);
    const std::string problems = problems_of("url: [hidden-in-file]\npool: 1\n");
    CHECK(problems.find("url is a list") != std::string::npos);
    CHECK(problems.find("hidden") == std::string::npos);
}
