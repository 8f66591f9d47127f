#include "workers/cartwright/broker.hpp"

#include <fmt/format.h>

#include <chrono>

#include "common/outcome/trouble.hpp"

namespace cartwright::operating {
namespace {

const std::set<int> made{200, 201, 204};
const std::set<int> gone{200, 204, 404};

std::string path_of(const char* kind, const std::string& name) {
    return fmt::format("/{}/%2F/{}", kind, http::percent_encode(name));
}

std::string path_between(const std::string& exchange, const std::string& queue) {
    return fmt::format("/bindings/%2F/e/{}/q/{}", http::percent_encode(exchange),
                       http::percent_encode(queue));
}

}  // namespace

Broker::Broker(std::string url) : url_(std::move(url)) {
    while (url_.ends_with('/')) url_.pop_back();
}

std::string Broker::call(const std::string& method, const std::string& path, const std::string& body,
                         const std::set<int>& good) {
    auto response = client_.request(method, url_ + "/api" + path, body,
                                    {{"content-type", "application/json"}}, std::chrono::seconds(30));
    if (good.contains(response.status)) return std::move(response.body);
    throw outcome::Refused(fmt::format("the management API answered {} to {} {}: {}", response.status, method,
                                       path, response.body.substr(0, 500)));
}

std::vector<codec::ManagedExchange> Broker::exchanges() {
    return codec::read_exchanges(call("GET", "/exchanges/%2F", {}, {200}));
}

std::vector<codec::ManagedQueue> Broker::queues() {
    return codec::read_queues(call("GET", "/queues/%2F", {}, {200}));
}

std::vector<codec::ManagedBinding> Broker::bindings() {
    return codec::read_bindings(call("GET", "/bindings/%2F", {}, {200}));
}

std::vector<codec::ManagedPolicy> Broker::policies() {
    return codec::read_policies(call("GET", "/policies/%2F", {}, {200}));
}

std::vector<codec::ManagedPermission> Broker::permissions() {
    return codec::read_permissions(call("GET", "/vhosts/%2F/permissions", {}, {200}));
}

void Broker::put_exchange(const std::string& name, const std::string& type,
                          const std::string& alternate_exchange) {
    call("PUT", path_of("exchanges", name), codec::exchange_body(type, alternate_exchange), made);
}

void Broker::put_queue(const std::string& name) {
    call("PUT", path_of("queues", name), codec::queue_body(), made);
}

void Broker::put_policy(const amqp::Policy& policy) {
    call("PUT", path_of("policies", policy.queue),
         codec::policy_body(codec::policy_of(policy.queue, policy.definition)), made);
}

void Broker::bind(const amqp::Binding& binding) {
    call("POST", path_between(binding.exchange, binding.queue), codec::binding_body(binding.routing_key),
         made);
}

void Broker::put_user(const std::string& name, const std::string& password) {
    call("PUT", "/users/" + http::percent_encode(name), codec::user_body(password), made);
}

void Broker::put_permission(const codec::ManagedPermission& permission) {
    call("PUT", path_of("permissions", permission.user), codec::permission_body(permission), made);
}

void Broker::delete_exchange(const std::string& name) {
    call("DELETE", path_of("exchanges", name), {}, gone);
}

void Broker::delete_queue(const std::string& name) {
    call("DELETE", path_of("queues", name), {}, gone);
}

void Broker::delete_policy(const std::string& name) {
    call("DELETE", path_of("policies", name), {}, gone);
}

void Broker::unbind(const codec::ManagedBinding& binding) {
    call("DELETE",
         path_between(binding.exchange, binding.queue) + "/" + http::percent_encode(binding.properties_key),
         {}, gone);
}

}  // namespace cartwright::operating
