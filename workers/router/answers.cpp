#include "workers/router/answers.hpp"

#include <algorithm>
#include <array>

namespace cartwright::router {
namespace {

constexpr std::array<int, 13> tried_again{401, 402, 403, 404, 407, 408, 409, 421, 423, 424, 425, 428, 429};

Verdict verdict_of(int status) {
    if (status >= 200 && status < 300) return Verdict::accepted;
    if (status == 410) return Verdict::gone;
    if (status < 400 || status >= 500) return Verdict::failing;
    const bool again = std::find(tried_again.begin(), tried_again.end(), status) != tried_again.end();
    return again ? Verdict::failing : Verdict::refused;
}

}  // namespace

Answer answer_of(const http::CallResult& result) {
    Answer answer;
    answer.trouble = result.trouble;
    answer.definite = result.end != http::CallEnd::unknown;
    if (result.end != http::CallEnd::answered) return answer;
    answer.verdict = verdict_of(result.status);
    answer.retry_after = result.retry_after;
    return answer;
}

}  // namespace cartwright::router
