// A client and a server made of Californium with Group OSCORE, for the interop tests. GROUP is, joined by commas and in hex but for ALG:
// secret, salt, Gid, ALG (EDDSA or ECDSA_256), the Group Manager's credential, then the own Sender ID, credential and private key, then
// Sender ID and credential of every other member.
//   GroupPeer server ADDRESS PORT GROUP [pairwise]     says "ready" when it listens; "pairwise" is the mode of its responses
//   GroupPeer client URI GROUP [KID]                   a line "NAME CODE HEX" for each answer; with KID the requests are for that member alone
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.security.Security;
import java.util.Timer;
import java.util.TimerTask;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import net.i2p.crypto.eddsa.EdDSASecurityProvider;
import org.eclipse.californium.core.CoapClient;
import org.eclipse.californium.core.CoapExchange;
import org.eclipse.californium.core.CoapHandler;
import org.eclipse.californium.core.CoapObserveRelation;
import org.eclipse.californium.core.CoapResource;
import org.eclipse.californium.core.CoapResponse;
import org.eclipse.californium.core.CoapServer;
import org.eclipse.californium.core.coap.CoAP.Code;
import org.eclipse.californium.core.coap.CoAP.ResponseCode;
import org.eclipse.californium.core.coap.CoAP.Type;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.cose.AlgorithmID;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.elements.util.StringUtil;
import org.eclipse.californium.oscore.HashMapCtxDB;
import org.eclipse.californium.oscore.OSCoreCoapStackFactory;
import org.eclipse.californium.oscore.OSCoreResource;
import org.eclipse.californium.oscore.group.GroupCtx;
import org.eclipse.californium.oscore.group.MultiKey;
import org.eclipse.californium.oscore.group.OptionEncoder;

public final class GroupPeer {
    private static final HashMapCtxDB CONTEXTS = new HashMapCtxDB();
    private static final int WINDOW = 32;

    public static void main(String[] args) throws Exception {
        Security.insertProviderAt(new EdDSASecurityProvider(), 1);
        CoapConfig.register();
        Configuration.setStandard(Configuration.createStandardWithoutFile());
        OSCoreCoapStackFactory.useAsDefault(CONTEXTS);
        if (args[0].equals("server")) serve(args[1], Integer.parseInt(args[2]), args[3], args.length > 4);
        else ask(args[1], args[2], args.length > 3 ? bytes(args[3]) : null);
    }

    private static byte[] bytes(String hex) {
        return StringUtil.hex2ByteArray(hex);
    }

    private static GroupCtx group(String description) throws Exception {
        String[] parts = description.split(",", -1);
        GroupCtx group = new GroupCtx(bytes(parts[0]), bytes(parts[1]), AlgorithmID.AES_CCM_16_64_128, AlgorithmID.HMAC_SHA_256,
                bytes(parts[2]), AlgorithmID.valueOf(parts[3]), AlgorithmID.AES_CCM_16_64_128, AlgorithmID.ECDH_SS_HKDF_256, bytes(parts[4]));
        group.addSenderCtxCcs(bytes(parts[5]), new MultiKey(bytes(parts[6]), bytes(parts[7])));
        for (int at = 8; at + 1 < parts.length; at += 2) group.addRecipientCtxCcs(bytes(parts[at]), WINDOW, new MultiKey(bytes(parts[at + 1])));
        return group;
    }

    private static void serve(String address, int port, String description, boolean pairwise) throws Exception {
        GroupCtx group = group(description);
        group.setPairwiseModeResponses(pairwise);
        CONTEXTS.addContext("coap://localhost", group);
        CoapServer server = new CoapServer(Configuration.getStandard());
        server.addEndpoint(CoapEndpoint.builder().setInetSocketAddress(new InetSocketAddress(InetAddress.getByName(address), port)).build());
        server.add(new OSCoreResource("hello", true) {
            @Override
            public void handleGET(CoapExchange exchange) {
                exchange.respond("hello from Californium");
            }
        });
        server.add(new OSCoreResource("reverse", true) {
            @Override
            public void handlePOST(CoapExchange exchange) {
                byte[] body = exchange.getRequestPayload();
                byte[] reversed = new byte[body.length];
                for (int index = 0; index < body.length; index++) reversed[index] = body[body.length - 1 - index];
                exchange.respond(ResponseCode.CHANGED, reversed);
            }
        });
        server.add(new Counter());
        server.start();
        System.out.println("ready");
    }

    /** A plain resource: an OSCoreResource answers its own notifications with 4.01, by an option that it has not authenticated. */
    private static final class Counter extends CoapResource {
        private int count;

        Counter() {
            super("counter", true);
            setObservable(true);
            setObserveType(Type.CON);
            new Timer(true).schedule(new TimerTask() {
                @Override
                public void run() {
                    count++;
                    changed();
                }
            }, 500, 500);
        }

        @Override
        public void handleGET(CoapExchange exchange) {
            exchange.respond(Integer.toString(count));
        }
    }

    private static void tell(String name, CoapResponse response) {
        String payload = response == null || response.getPayload() == null ? "" : StringUtil.byteArray2Hex(response.getPayload());
        System.out.println(name + " " + (response == null ? "nothing" : response.getCode().toString().substring(0, 4)) + " " + payload);
    }

    private static Request request(Code method, String uri, byte[] body, byte[] kid) throws Exception {
        Request request = new Request(method, Type.CON);
        request.setURI(uri);
        if (body != null) request.setPayload(body);
        request.getOptions().setOscore(kid == null ? new byte[0] : OptionEncoder.set(true, uri, kid));
        return request;
    }

    private static CoapResponse answer(Request request) throws Exception {
        return new CoapClient(request.getURI()).setTimeout(10_000L).advanced(request);
    }

    private static void ask(String base, String description, byte[] kid) throws Exception {
        CONTEXTS.addContext(base, group(description));
        tell("hello", answer(request(Code.GET, base + "/hello", null, kid)));
        tell("reverse", answer(request(Code.POST, base + "/reverse", "abcdef".getBytes(), kid)));
        tell("missing", answer(request(Code.GET, base + "/nowhere", null, kid)));
        CountDownLatch left = new CountDownLatch(1);
        Request request = request(Code.GET, base + "/counter", null, kid);
        request.setObserve();
        CoapObserveRelation relation = new CoapClient(base + "/counter").observe(request, new CoapHandler() {
            @Override
            public void onLoad(CoapResponse response) {
                tell("observed", response);
                left.countDown();
            }

            @Override
            public void onError() {
                System.err.println("error");
            }
        });
        left.await(5, TimeUnit.SECONDS);
        relation.reactiveCancel();
        System.out.flush();
        System.exit(0);
    }
}
