#include "common/catalogue/trouble.hpp"

#include <doctest/doctest.h>

#include "common/outcome/trouble.hpp"

using namespace cartwright::catalogue;
namespace outcome = cartwright::outcome;

TEST_CASE("error numbers are told apart") {
    for (const unsigned number : {1213, 1205}) CHECK(classify(number) == Trouble::retry);
    for (const unsigned number : {1040, 1047, 1053, 1158, 1159, 1160, 1161, 1290, 1317, 1836, 1927, 2002,
                                  2003, 2005, 2006, 2013, 2055}) {
        CHECK(classify(number) == Trouble::unavailable);
    }
    for (const unsigned number : {1044, 1045, 1049, 1142, 1146})
        CHECK(classify(number) == Trouble::misconfigured);
    for (const unsigned number : {0, 1062, 1064, 1264, 1300, 1366, 1406})
        CHECK(classify(number) == Trouble::refused);
}

TEST_CASE("they become the three kinds of trouble") {
    CHECK_THROWS_WITH_AS(rethrow({1213, "Deadlock found"}, Trouble::refused),
                         "the catalogue says 1213: Deadlock found", outcome::Retry);
    CHECK_THROWS_AS(rethrow({2006, "gone"}, Trouble::refused), outcome::Unavailable);
    CHECK_THROWS_AS(rethrow({1062, "duplicate"}, Trouble::unavailable), outcome::Refused);
    CHECK_THROWS_AS(rethrow({1146, "no table"}, Trouble::refused), outcome::Refused);
    CHECK_THROWS_AS(rethrow({1146, "no table"}, Trouble::unavailable), outcome::Unavailable);
}
