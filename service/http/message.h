// A request and a reply as the handlers see them, without the library that read them off the wire.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace retro {

struct HttpRequest {
  std::string method = "GET";
  std::vector<std::string> path;  // segments, percent-decoded
  std::vector<std::pair<std::string, std::string>> query;
  std::string content_type, authorization, origin, if_none_match;
  std::string body;
  std::string id;      // of ours, sent back as X-Request-Id
  std::string client;  // whose limits count: the API key's number, or the address
};

struct HttpReply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};

}  // namespace retro
