// Addresses of endpoints as they may stand in rules.
#pragma once

#include <string>

namespace cartwright::config {

/// What is wrong with the address of an endpoint ("is to begin with https://"); empty when nothing is. Plain
/// http is for operators to allow.
std::string url_trouble(const std::string& url, bool plain_http_allowed);

}  // namespace cartwright::config
