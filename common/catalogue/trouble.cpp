#include "common/catalogue/trouble.hpp"

#include <fmt/format.h>

#include "common/outcome/trouble.hpp"

namespace cartwright::catalogue {

Trouble classify(unsigned error_number) {
    switch (error_number) {
        case 1020:  // the row has changed since it was read
        case 1205:  // waited too long for a lock
        case 1213:  // deadlock; on Galera also a conflict of commits
        case 1412:  // the table's definition has changed
        case 1613:  // the transaction was rolled back: it took too long
        case 1614:  // the transaction was rolled back: deadlock
        case 1615:  // the statement must be prepared again
            return Trouble::retry;
        case 1021:  // disk full
        case 1037:  // out of memory
        case 1038:  // out of memory for sorting
        case 1040:  // too many connections
        case 1041:  // out of memory
        case 1043:  // bad handshake
        case 1047:  // a Galera node without its cluster
        case 1053:  // shutting down
        case 1079:  // shut down
        case 1080:  // the connection was closed by force
        case 1114:  // a table is full
        case 1129:  // this host is blocked
        case 1135:  // no thread for the connection
        case 1152:  // connection aborted
        case 1158:  // reading failed
        case 1159:  // reading took too long
        case 1160:  // writing failed
        case 1161:  // writing took too long
        case 1180:  // the commit failed
        case 1184:  // connection aborted
        case 1203:  // the account's connections are used up
        case 1226:  // the account's share is used up
        case 1290:  // read-only
        case 1317:  // interrupted
        case 1836:  // read-only
        case 1927:  // the connection was killed
        case 1969:  // took longer than the server allows
        case 2002:  // cannot connect
        case 2003:  // cannot connect
        case 2005:  // unknown host
        case 2006:  // the server has gone
        case 2012:  // handshake failed
        case 2013:  // lost the connection
        case 2026:  // TLS failed
        case 2027:  // malformed packet
        case 2055:  // lost the connection
        case 4031:  // closed for being idle
            return Trouble::unavailable;
        case 1044:  // no access to the database
        case 1045:  // no access
        case 1049:  // no such database
        case 1054:  // no such column
        case 1130:  // not from this host
        case 1142:  // no right to do this
        case 1143:  // no right to this column
        case 1146:  // no such table
        case 1227:  // no right to do this
        case 1698:  // no access
        case 2059:  // no such way to authenticate
        case 4151:  // the account is locked
            return Trouble::misconfigured;
        default:
            return Trouble::refused;
    }
}

ServerError::ServerError(unsigned error_number, const std::string& text)
    : std::runtime_error(fmt::format("the catalogue says {}: {}", error_number, text)),
      number(error_number),
      trouble(classify(error_number)) {}

void rethrow(const ServerError& error, Trouble misconfigured) {
    switch (error.trouble == Trouble::misconfigured ? misconfigured : error.trouble) {
        case Trouble::retry:
            throw outcome::Retry(error.what());
        case Trouble::unavailable:
            throw outcome::Unavailable(error.what());
        default:
            throw outcome::Refused(error.what());
    }
}

}  // namespace cartwright::catalogue
