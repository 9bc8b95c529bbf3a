// A small blocking HTTP client for tests, which can also misbehave: it sends whatever bytes it is told to.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

namespace retro {

struct ClientReply {
  int status = 0;                              // 0: the connection ended before a whole reply
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // without the chunks' framing
  nlohmann::json Json() const { return nlohmann::json::parse(body); }
};

class HttpClient {
 public:
  explicit HttpClient(uint16_t port) {
    socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
      Close();
      throw std::runtime_error("cannot connect");
    }
  }
  ~HttpClient() { Close(); }
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  void Close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }

  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // the server closed: its reply tells why
      bytes.remove_prefix(sent);
    }
  }

  void SendRequest(const std::string& method, const std::string& target, const std::string& body = "",
                   const std::string& headers = "Content-Type: application/json\r\n") {
    Send(method + " " + target + " HTTP/1.1\r\nHost: test\r\n" + headers +
         (body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") + "\r\n" + body);
  }

  ClientReply Read() {
    ClientReply reply;
    std::string head;
    if (!TakeUntil("\r\n\r\n", head)) return reply;
    ParseHead(head, reply);
    const int status = reply.status;
    const bool whole = reply.headers.contains("transfer-encoding") ? TakeChunks(reply.body) : TakeBody(reply);
    reply.status = whole ? status : 0;
    return reply;
  }

  // What has come when `text` is there, or when the connection ends.
  std::string ReadUntil(const std::string& text) {
    std::string taken;
    TakeUntil(text, taken);
    return taken;
  }

  // The server has closed, and everything it sent was read.
  bool AtEnd() { return input_.empty() && !Receive(); }

  ClientReply Call(const std::string& method, const std::string& target, const std::string& body = "",
                   const std::string& headers = "Content-Type: application/json\r\n") {
    SendRequest(method, target, body, headers);
    return Read();
  }
  ClientReply Post(const std::string& target, const nlohmann::json& body) { return Call("POST", target, body.dump()); }

 private:
  bool Receive() {
    char buffer[65536];
    const ssize_t size = ::recv(socket_, buffer, sizeof(buffer), 0);
    if (size <= 0) return false;
    input_.append(buffer, size);
    return true;
  }

  bool TakeUntil(const std::string& text, std::string& taken) {
    size_t at;
    while ((at = input_.find(text)) == std::string::npos) {
      if (!Receive()) return false;
    }
    taken = input_.substr(0, at + text.size());
    input_.erase(0, at + text.size());
    return true;
  }

  bool TakeSize(size_t size, std::string& taken) {
    while (input_.size() < size) {
      if (!Receive()) return false;
    }
    taken += input_.substr(0, size);
    input_.erase(0, size);
    return true;
  }

  static void ParseHead(const std::string& head, ClientReply& reply) {
    reply.status = std::stoi(head.substr(head.find(' ') + 1));
    for (size_t at = head.find("\r\n") + 2; head.compare(at, 2, "\r\n") != 0;) {
      const size_t end = head.find("\r\n", at), colon = head.find(':', at);
      std::string name = head.substr(at, colon - at);
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
      reply.headers[name] = head.substr(colon + 2, end - colon - 2);
      at = end + 2;
    }
  }

  bool TakeBody(ClientReply& reply) {
    const auto length = reply.headers.find("content-length");
    return length == reply.headers.end() || TakeSize(std::stoul(length->second), reply.body);
  }

  bool TakeChunks(std::string& body) {
    for (;;) {
      std::string line, end;
      if (!TakeUntil("\r\n", line)) return false;
      const size_t size = std::stoul(line, nullptr, 16);
      if (!TakeSize(size, body) || !TakeSize(2, end)) return false;
      if (size == 0) return true;
    }
  }

  int socket_ = -1;
  std::string input_;
};

}  // namespace retro
