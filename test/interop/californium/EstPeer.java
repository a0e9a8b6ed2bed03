// An EST client over coaps by Californium: with a birth certificate it gets the CA certificates twice, what its request should hold, and, asking twice with
// the same request, a certificate; all in one session with small records. BASE KEYFILE ROOT BLOCK CSR FOLDER; one line on standard output for each answer.
import java.io.File;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import org.eclipse.californium.core.CoapClient;
import org.eclipse.californium.core.CoapResponse;
import org.eclipse.californium.core.coap.CoAP;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.elements.util.SslContextUtil;
import org.eclipse.californium.scandium.DTLSConnector;
import org.eclipse.californium.scandium.config.DtlsConfig;
import org.eclipse.californium.scandium.config.DtlsConnectorConfig;
import org.eclipse.californium.scandium.dtls.CertificateType;
import org.eclipse.californium.scandium.dtls.MaxFragmentLengthExtension;
import org.eclipse.californium.scandium.dtls.cipher.CipherSuite;
import org.eclipse.californium.scandium.dtls.x509.SingleCertificateProvider;
import org.eclipse.californium.scandium.dtls.x509.StaticNewAdvancedCertificateVerifier;

public class EstPeer {
  private static CoapClient client;
  private static String base;
  private static File folder;

  public static void main(String[] args) throws Exception {
    base = args[0];
    folder = new File(args[5]);
    CoapConfig.register();
    DtlsConfig.register();
    int block = Integer.parseInt(args[3]);
    Configuration config = new Configuration();
    config.set(CoapConfig.PREFERRED_BLOCK_SIZE, block);
    config.set(CoapConfig.MAX_MESSAGE_SIZE, block);
    DtlsConnectorConfig.Builder builder = DtlsConnectorConfig.builder(config);
    builder.setAddress(new InetSocketAddress("127.0.0.1", 0));
    builder.set(DtlsConfig.DTLS_ROLE, DtlsConfig.DtlsRole.CLIENT_ONLY);
    builder.set(DtlsConfig.DTLS_MAX_FRAGMENT_LENGTH, MaxFragmentLengthExtension.Length.BYTES_512);
    builder.set(DtlsConfig.DTLS_RECOMMENDED_CIPHER_SUITES_ONLY, false);
    builder.setAsList(DtlsConfig.DTLS_CIPHER_SUITES, CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8);
    SslContextUtil.Credentials own = SslContextUtil.loadCredentials(args[1]);
    builder.setCertificateIdentityProvider(new SingleCertificateProvider(own.getPrivateKey(), own.getCertificateChain(), CertificateType.X_509));
    builder.setAdvancedCertificateVerifier(
        StaticNewAdvancedCertificateVerifier.builder().setTrustedCertificates(SslContextUtil.loadTrustedCertificates(args[2])).build());
    CoapEndpoint endpoint = CoapEndpoint.builder().setConfiguration(config).setConnector(new DTLSConnector(builder.build())).build();
    client = new CoapClient();
    client.setEndpoint(endpoint);
    client.setTimeout(20000L);
    byte[] request = Files.readAllBytes(new File(args[4]).toPath());
    ask("crts.p7", CoAP.Code.GET, "/est/crts", 281, null);
    ask("crts.multipart", CoAP.Code.GET, "/.well-known/est/crts", 62, null);
    ask("attributes.der", CoAP.Code.GET, "/est/att", -1, null);
    ask("first.der", CoAP.Code.POST, "/est/sen", 287, request);
    ask("second.der", CoAP.Code.POST, "/.well-known/est/sen", 287, request);
    endpoint.destroy();
    System.exit(0);
  }

  private static void ask(String name, CoAP.Code code, String path, int accept, byte[] payload) throws Exception {
    Request request = new Request(code);
    request.setURI(base + path);
    if (accept >= 0) request.getOptions().setAccept(accept);
    if (payload != null) {
      request.getOptions().setContentFormat(286);
      request.setPayload(payload);
    }
    CoapResponse response = client.advanced(request);
    if (response == null) {
      System.out.println(name + " nothing");
      return;
    }
    System.out.println(name + " " + response.getCode() + " " + response.getOptions().getContentFormat());
    if (response.isSuccess()) Files.write(new File(folder, name).toPath(), response.getPayload());
  }
}
