// A client and a server made of Californium with OSCORE, for the interop tests. CONTEXT is secret,salt,sender,recipient[,context[,renew]] in hex:
//   OscorePeer server ADDRESS PORT CONTEXT      says "ready" when it listens
//   OscorePeer client URI CONTEXT               a line "NAME CODE HEX" for each answer
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Timer;
import java.util.TimerTask;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.eclipse.californium.core.CoapClient;
import org.eclipse.californium.core.CoapHandler;
import org.eclipse.californium.core.CoapObserveRelation;
import org.eclipse.californium.core.CoapResponse;
import org.eclipse.californium.core.CoapServer;
import org.eclipse.californium.core.coap.CoAP.Code;
import org.eclipse.californium.core.coap.CoAP.ResponseCode;
import org.eclipse.californium.core.coap.CoAP.Type;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.core.server.resources.CoapExchange;
import org.eclipse.californium.cose.AlgorithmID;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.elements.util.StringUtil;
import org.eclipse.californium.oscore.HashMapCtxDB;
import org.eclipse.californium.oscore.OSCoreCoapStackFactory;
import org.eclipse.californium.oscore.OSCoreCtx;
import org.eclipse.californium.oscore.OSCoreResource;

public final class OscorePeer {
    private static final HashMapCtxDB CONTEXTS = new HashMapCtxDB();

    public static void main(String[] args) throws Exception {
        CoapConfig.register();
        Configuration.setStandard(Configuration.createStandardWithoutFile());
        OSCoreCoapStackFactory.useAsDefault(CONTEXTS);
        if (args[0].equals("server")) serve(args[1], Integer.parseInt(args[2]), args[3]);
        else ask(args[1], args[2]);
    }

    private static OSCoreCtx context(String description, boolean client) throws Exception {
        String[] parts = description.split(",", -1);
        byte[] idContext = parts.length > 4 && !parts[4].isEmpty() ? StringUtil.hex2ByteArray(parts[4]) : null;
        OSCoreCtx context = new OSCoreCtx(StringUtil.hex2ByteArray(parts[0]), client, AlgorithmID.AES_CCM_16_64_128,
                StringUtil.hex2ByteArray(parts[2]), StringUtil.hex2ByteArray(parts[3]), AlgorithmID.HKDF_HMAC_SHA_256, 32,
                StringUtil.hex2ByteArray(parts[1]), idContext, 4096);
        if (idContext != null) context.setIncludeContextId(true);
        if (parts.length > 5) {
            context.setContextRederivationEnabled(true);
            // Only the client begins (Appendix B.2).
            if (client) context.setContextRederivationPhase(org.eclipse.californium.oscore.ContextRederivation.PHASE.CLIENT_INITIATE);
        }
        return context;
    }

    private static void serve(String address, int port, String description) throws Exception {
        CONTEXTS.addContext(context(description, false));
        CoapServer server = new CoapServer();
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

    private static final class Counter extends OSCoreResource {
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

    private static CoapResponse request(Code method, String uri, byte[] body) throws Exception {
        Request request = new Request(method, Type.CON);
        request.setURI(uri);
        if (body != null) request.setPayload(body);
        request.getOptions().setOscore(new byte[0]);
        return new CoapClient(uri).setTimeout(5_000L).advanced(request);
    }

    private static void ask(String base, String description) throws Exception {
        CONTEXTS.addContext(base, context(description, true));
        tell("hello", request(Code.GET, base + "/hello", null));
        tell("reverse", request(Code.POST, base + "/reverse", "abcdef".getBytes()));
        tell("missing", request(Code.GET, base + "/nowhere", null));
        CountDownLatch left = new CountDownLatch(1);
        Request request = new Request(Code.GET, Type.CON);
        request.setURI(base + "/counter");
        request.getOptions().setOscore(new byte[0]);
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
        left.await(3, TimeUnit.SECONDS);
        relation.reactiveCancel();
        System.out.flush();
        System.exit(0);
    }
}
