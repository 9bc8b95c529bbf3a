// The service behind TLS, with a certificate that the test makes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <thread>

#include "tests/service-http/toy_service.h"
#include "tests/testing/expect_error.h"

namespace retro {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using ::testing::HasSubstr;
using ::testing::StartsWith;

template <typename Write>
void WritePem(const std::filesystem::path& path, Write write) {
  BIO* file = BIO_new_file(path.c_str(), "w");
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(write(file), 1);
  BIO_free(file);
}

// cert.pem and key.pem in `folder`: self-signed, for 127.0.0.1.
void WriteCertificate(const std::filesystem::path& folder) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_EXTENSION* names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1");
  X509_add_ext(certificate, names, -1);
  X509_sign(certificate, key, EVP_sha256());
  WritePem(folder / "cert.pem", [&](BIO* file) { return PEM_write_bio_X509(file, certificate); });
  WritePem(folder / "key.pem",
           [&](BIO* file) { return PEM_write_bio_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr); });
  X509_EXTENSION_free(names);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

struct TlsService : ToyService {
  explicit TlsService(std::string script = "Elsa Norling") : ToyService(std::move(script)) {
    WriteCertificate(folder.path());
    options.tls_certificate = folder / "cert.pem";
    options.tls_key = folder / "key.pem";
  }
};

// A connection that trusts the service's certificate alone. Throws system_error when there can be none.
class TlsClient {
 public:
  explicit TlsClient(const TlsService& service, int newest_version = TLS1_3_VERSION) {
    SSL_set_min_proto_version(stream_.native_handle(), 0);
    SSL_set_max_proto_version(stream_.native_handle(), newest_version);
    SSL_set_security_level(stream_.native_handle(), 0);  // or the client itself would refuse old versions
    context_.load_verify_file(service.options.tls_certificate);
    stream_.set_verify_mode(asio::ssl::verify_peer);
    stream_.set_verify_callback(asio::ssl::host_name_verification("127.0.0.1"));
    stream_.next_layer().connect({asio::ip::address_v4::loopback(), service.server->port()});
    stream_.handshake(asio::ssl::stream_base::client);
  }

  void Send(const std::string& text) { asio::write(stream_, asio::buffer(text)); }
  void SendRequest(const std::string& target, const nlohmann::json& body, const std::string& headers = "") {
    const std::string text = body.dump();
    Send("POST " + target + " HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n" + headers +
         "Content-Length: " + std::to_string(text.size()) + "\r\n\r\n" + text);
  }
  // All that comes up to the server's close, which must be one of TLS: a cut would go unnoticed otherwise.
  std::string ReadToEnd() {
    std::string text;
    boost::system::error_code error;
    asio::read(stream_, asio::dynamic_buffer(text), error);
    EXPECT_EQ(error, asio::error::eof);
    return text;
  }

 private:
  asio::io_context io_;
  asio::ssl::context context_{asio::ssl::context::tls_client};
  asio::ssl::stream<tcp::socket> stream_{io_, context_};
};

TEST(Tls, ServesSeveralRequestsOnOneConnectionAndClosesProperly) {
  TlsService service;
  service.Start();
  EXPECT_THAT(service.server->url(), StartsWith("https://127.0.0.1:"));
  TlsClient client(service);
  client.Send("GET /health HTTP/1.1\r\nHost: a\r\n\r\nGET /version HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const std::string replies = client.ReadToEnd();
  EXPECT_THAT(replies, HasSubstr("\"status\":\"ok\""));
  EXPECT_THAT(replies, HasSubstr("\"version\""));
}

TEST(Tls, StreamsAnAnswer) {
  TlsService service;
  service.Start();
  TlsClient client(service);
  client.SendRequest("/v1/completions", {{"prompt", "Who?>"}, {"max_tokens", 50}, {"temperature", 0}, {"stream", true}},
                     "Connection: close\r\n");
  EXPECT_THAT(client.ReadToEnd(), HasSubstr("data: [DONE]"));
}

TEST(Tls, ClientsThatGoAwayAreCancelled) {
  TlsService service(std::string(3000, 'a'));
  service.decoder->Hold();
  service.Start();
  {
    TlsClient client(service);
    client.SendRequest("/v1/completions", {{"prompt", "Who?>"}, {"max_tokens", 3000}, {"temperature", 0}});
    service.decoder->AwaitHeldPass();
  }
  const auto metrics = [&] {
    TlsClient client(service);
    client.Send("GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    return client.ReadToEnd();
  };
  while (metrics().find("retro_cancelled_total 1") == std::string::npos) std::this_thread::yield();
  service.decoder->Release();
  while (service.engine->Stats().running != 0) std::this_thread::yield();
  EXPECT_LT(service.decoder->num_passes(), 10u);
}

TEST(Tls, RefusesOldVersionsAndPlainText) {
  TlsService service;
  service.Start();
  EXPECT_NO_THROW(TlsClient(service, TLS1_2_VERSION));
  try {
    const TlsClient old(service, TLS1_1_VERSION);
    FAIL() << "TLS 1.1 was taken";
  } catch (const boost::system::system_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("alert protocol version"));
  }
  HttpClient plain(service.server->port());
  EXPECT_EQ(plain.Call("GET", "/health").status, 0);
}

TEST(Tls, ACertificateThatCannotBeUsedIsNamed) {
  TlsService service, other;
  service.options.tls_key = other.options.tls_key;
  EXPECT_ERROR(service.Start(), ErrorCode::kIo, service.options.tls_certificate);
  service.options.tls_key = service.folder / "none.pem";
  EXPECT_ERROR(service.Start(), ErrorCode::kIo, "none.pem");
}

}  // namespace
}  // namespace retro
