// What an endpoint's answer means for its stream.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "common/http/caller.hpp"

namespace cartwright::router {

enum class Verdict {
    accepted,
    failing,  ///< it is tried again after a pause
    refused,  ///< this message will never be taken: a person decides
    gone,     ///< the endpoint wants nothing any more: a person decides
};

struct Answer {
    Verdict verdict = Verdict::failing;
    bool definite = false;  ///< not accepted: the message certainly did not take effect there
    std::optional<std::chrono::milliseconds> retry_after;
    std::string trouble;
};

/// 2xx is accepted, 410 gone (Standard Webhooks 1.0), a status that speaks of the message itself (400, 405,
/// 406, 411, 413 to 417, 422, 426, 431 …) refused. What may be the endpoint's own trouble (401, 403, 404,
/// 408, 409, 421, 423 to 425, 428, 429, 3xx, 5xx, no answer) is tried again.
Answer answer_of(const http::CallResult& result);

}  // namespace cartwright::router
