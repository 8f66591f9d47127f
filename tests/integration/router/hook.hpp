// A seller's HTTP endpoint that does what a test wants, and remembers what it got.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/http/server.hpp"
#include "common/routing/rules.hpp"
#include "common/runtime/loop.hpp"

namespace cartwright::tests {

struct Received {
    std::string path, id, body;
    int status = 0;  ///< as answered
    bool signature_fits = false;
};

/// Listens on a free port with a thread of its own.
class Hook {
  public:
    Hook();
    ~Hook();
    Hook(const Hook&) = delete;
    Hook& operator=(const Hook&) = delete;

    /// Asked for every request on the hook's thread; default: 204.
    void answers(std::function<http::Response(const Received&)> answer);
    /// Like a process that died: nobody listens, until `return_to_life`.
    void die();
    void return_to_life();

    /// A destination under this name at path /<name>.
    routing::Destination destination(const std::string& name) const;
    std::vector<Received> received(const std::string& path);
    /// Numbers in the order in which a 2xx was said to them.
    std::vector<std::int64_t> accepted(const std::string& path);

  private:
    void serve();
    http::Response on(const http::Request& request);

    std::string key_;
    std::function<http::Response(const Received&)> answer_;
    std::mutex mutex_;
    std::vector<Received> received_;
    int port_ = 0;
    std::unique_ptr<runtime::Loop> loop_;
    std::unique_ptr<http::Server> server_;
    std::thread thread_;
};

/// Waits, at most 20 s, longer with sanitizers, until it holds; false when it never did.
bool comes_true(const std::function<bool()>& condition);

}  // namespace cartwright::tests
