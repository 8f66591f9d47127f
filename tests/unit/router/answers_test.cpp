#include "workers/router/answers.hpp"

#include <doctest/doctest.h>

using namespace cartwright;
using namespace cartwright::router;

namespace {

http::CallResult answered(int status) {
    http::CallResult result;
    result.end = http::CallEnd::answered;
    result.status = status;
    result.trouble = "it said so";
    return result;
}

}  // namespace

TEST_CASE("what a status means for the stream") {
    for (const int status : {200, 201, 202, 204, 299})
        CHECK(answer_of(answered(status)).verdict == Verdict::accepted);
    CHECK(answer_of(answered(410)).verdict == Verdict::gone);
    for (const int status : {400, 405, 406, 411, 413, 414, 415, 416, 417, 418, 422, 426, 431, 451})
        CHECK(answer_of(answered(status)).verdict == Verdict::refused);
    for (const int status :
         {301, 302, 304, 307, 401, 403, 404, 408, 409, 423, 425, 429, 500, 502, 503, 504, 599})
        CHECK(answer_of(answered(status)).verdict == Verdict::failing);
}

TEST_CASE("only what may have arrived is in doubt") {
    CHECK(answer_of(answered(500)).definite);
    http::CallResult result;
    result.end = http::CallEnd::unsent;
    CHECK(answer_of(result).definite);
    CHECK(answer_of(result).verdict == Verdict::failing);
    result.end = http::CallEnd::unknown;
    CHECK_FALSE(answer_of(result).definite);
    CHECK(answer_of(result).verdict == Verdict::failing);
}

TEST_CASE("an endpoint may say when to come again") {
    auto result = answered(503);
    result.retry_after = std::chrono::seconds(7);
    CHECK(answer_of(result).retry_after == std::chrono::seconds(7));
    CHECK(answer_of(result).trouble == "it said so");
}
