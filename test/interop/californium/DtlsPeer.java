// A DTLS client and server by Californium's Scandium, with connection ids (RFC 9146): echoes as a server; as a client says two words from two addresses.
// client HOST PORT MODE KEYFILE ROOT ADDRESS2 | server HOST PORT MODE KEYFILE ROOT; MODE is psk, x509 or rpk; KEYFILE holds key and chain in PEM.
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.eclipse.californium.elements.RawData;
import org.eclipse.californium.elements.AddressEndpointContext;
import org.eclipse.californium.elements.config.CertificateAuthenticationMode;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.elements.util.SslContextUtil;
import org.eclipse.californium.scandium.DTLSConnector;
import org.eclipse.californium.scandium.config.DtlsConfig;
import org.eclipse.californium.scandium.config.DtlsConnectorConfig;
import org.eclipse.californium.scandium.dtls.CertificateType;
import org.eclipse.californium.scandium.dtls.cipher.CipherSuite;
import org.eclipse.californium.scandium.dtls.pskstore.AdvancedSinglePskStore;
import org.eclipse.californium.scandium.dtls.x509.SingleCertificateProvider;
import org.eclipse.californium.scandium.dtls.x509.StaticNewAdvancedCertificateVerifier;

public class DtlsPeer {
  public static void main(String[] args) throws Exception {
    boolean isServer = args[0].equals("server");
    InetSocketAddress there = new InetSocketAddress(args[1], Integer.parseInt(args[2]));
    DTLSConnector connector = connector(isServer, isServer ? there : new InetSocketAddress(args[1], 0), args[3], args[4], args[5]);
    LinkedBlockingQueue<String> heard = new LinkedBlockingQueue<>();
    connector.setRawDataReceiver(data -> {
      heard.add(new String(data.getBytes(), StandardCharsets.UTF_8));
      if (isServer) connector.send(RawData.outbound(data.getBytes(), data.getEndpointContext(), null, false));
    });
    connector.start();
    if (isServer) {
      System.out.println("ready");
      Thread.sleep(Long.MAX_VALUE);
    }
    // All that it sends passes a relay, which changes its own address half way, as a NAT does.
    for (String word : new String[] {"from here", "from there"}) {
      connector.send(RawData.outbound(word.getBytes(StandardCharsets.UTF_8), new AddressEndpointContext(there), null, false));
      String answer = heard.poll(10, TimeUnit.SECONDS);
      System.out.println("echo " + answer);
      System.out.flush();
      if (System.in.read() < 0) break;
    }
    connector.destroy();
    System.exit(0);
  }

  private static DTLSConnector connector(boolean isServer, InetSocketAddress address, String mode, String keyFile, String root) throws Exception {
    DtlsConfig.register();
    DtlsConnectorConfig.Builder builder = DtlsConnectorConfig.builder(new Configuration());
    builder.setAddress(address);
    builder.set(DtlsConfig.DTLS_ROLE, isServer ? DtlsConfig.DtlsRole.SERVER_ONLY : DtlsConfig.DtlsRole.CLIENT_ONLY);
    builder.set(DtlsConfig.DTLS_CONNECTION_ID_LENGTH, isServer ? 5 : 0);
    builder.set(DtlsConfig.DTLS_RECOMMENDED_CIPHER_SUITES_ONLY, false);
    if (isServer) builder.set(DtlsConfig.DTLS_CLIENT_AUTHENTICATION_MODE, CertificateAuthenticationMode.NEEDED);
    if (mode.equals("psk")) {
      builder.setAsList(DtlsConfig.DTLS_CIPHER_SUITES, CipherSuite.TLS_PSK_WITH_AES_128_CCM_8);
      builder.setAdvancedPskStore(new AdvancedSinglePskStore("thing-1", "0123456789abcdef".getBytes(StandardCharsets.US_ASCII)));
      return new DTLSConnector(builder.build());
    }
    builder.setAsList(DtlsConfig.DTLS_CIPHER_SUITES, CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8);
    SslContextUtil.Credentials credentials = SslContextUtil.loadCredentials(keyFile);
    StaticNewAdvancedCertificateVerifier.Builder verifier = StaticNewAdvancedCertificateVerifier.builder();
    if (mode.equals("rpk")) {
      builder.setCertificateIdentityProvider(new SingleCertificateProvider(credentials.getPrivateKey(), credentials.getCertificateChain()[0].getPublicKey()));
      verifier.setTrustAllRPKs();
    } else {
      builder.setCertificateIdentityProvider(new SingleCertificateProvider(credentials.getPrivateKey(), credentials.getCertificateChain(), CertificateType.X_509));
      verifier.setTrustedCertificates(SslContextUtil.loadTrustedCertificates(root));
    }
    builder.setAdvancedCertificateVerifier(verifier.build());
    return new DTLSConnector(builder.build());
  }
}
