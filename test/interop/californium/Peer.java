// A client and a server made of Californium, for the interop tests:
//   Peer server ADDRESS PORT            says "ready" when it listens
//   Peer client METHOD URI [FILE]       the response's payload on standard output, its code on standard error
//   Peer observe URI COUNT              one line for each notification, cancels after so many
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Timer;
import java.util.TimerTask;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.eclipse.californium.core.CoapClient;
import org.eclipse.californium.core.CoapHandler;
import org.eclipse.californium.core.CoapObserveRelation;
import org.eclipse.californium.core.CoapResource;
import org.eclipse.californium.core.CoapResponse;
import org.eclipse.californium.core.CoapServer;
import org.eclipse.californium.core.coap.CoAP.Code;
import org.eclipse.californium.core.coap.CoAP.ResponseCode;
import org.eclipse.californium.core.coap.CoAP.Type;
import org.eclipse.californium.core.coap.MediaTypeRegistry;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.core.server.resources.CoapExchange;
import org.eclipse.californium.elements.config.Configuration;

public final class Peer {
    public static void main(String[] args) throws Exception {
        CoapConfig.register();
        Configuration.setStandard(Configuration.createStandardWithoutFile()
                .set(CoapConfig.MAX_RESOURCE_BODY_SIZE, 2 << 20)
                .set(CoapConfig.PREFERRED_BLOCK_SIZE, 1024)
                .set(CoapConfig.MAX_MESSAGE_SIZE, 1024));
        switch (args[0]) {
            case "server" -> serve(args[1], Integer.parseInt(args[2]));
            case "client" -> ask(Code.valueOf(args[1]), args[2], args.length > 3 ? Files.readAllBytes(Path.of(args[3])) : null);
            default -> observe(args[1], Integer.parseInt(args[2]));
        }
    }

    private static void ask(Code method, String uri, byte[] body) throws Exception {
        Request request = new Request(method, Type.CON);
        request.setURI(uri);
        if (body != null) {
            request.setPayload(body);
            request.getOptions().setContentFormat(MediaTypeRegistry.TEXT_PLAIN);
        }
        CoapResponse response = new CoapClient(uri).setTimeout(60_000L).advanced(request);
        System.err.println(response == null ? "nothing" : response.getCode().toString());
        if (response != null && response.getPayload() != null) System.out.write(response.getPayload());
        System.out.flush();
        System.exit(0);
    }

    private static void observe(String uri, int count) throws Exception {
        CountDownLatch left = new CountDownLatch(count);
        CoapClient client = new CoapClient(uri);
        CoapObserveRelation relation = client.observe(new CoapHandler() {
            @Override
            public void onLoad(CoapResponse response) {
                if (left.getCount() > 0) System.out.println(response.getResponseText());
                left.countDown();
            }

            @Override
            public void onError() {
                System.err.println("error");
            }
        });
        left.await(30, TimeUnit.SECONDS);
        relation.proactiveCancel();
        Thread.sleep(500);
        System.exit(0);
    }

    private static void serve(String address, int port) throws Exception {
        CoapServer server = new CoapServer();
        server.addEndpoint(new CoapEndpoint.Builder()
                .setInetSocketAddress(new InetSocketAddress(InetAddress.getByName(address), port)).build());
        Counting counting = new Counting();
        server.add(new Body("big", 65_536), new Body("megabyte", 1 << 20), new Kept(), new Slow(), counting, new Observers(counting));
        server.start();
        System.out.println("ready");
    }

    private static byte[] pattern(int length) {
        byte[] bytes = new byte[length];
        for (int index = 0; index < length; index++) bytes[index] = (byte) (32 + (index * 7 + (index >> 8)) % 90);
        return bytes;
    }

    private static byte[] reversed(byte[] bytes) {
        byte[] result = new byte[bytes.length];
        for (int index = 0; index < bytes.length; index++) result[index] = bytes[bytes.length - 1 - index];
        return result;
    }

    private static final class Body extends CoapResource {
        private final byte[] body;

        Body(String name, int length) {
            super(name);
            body = pattern(length);
        }

        @Override
        public void handleGET(CoapExchange exchange) {
            exchange.respond(ResponseCode.CONTENT, body, MediaTypeRegistry.TEXT_PLAIN);
        }
    }

    private static final class Kept extends CoapResource {
        private byte[] body;

        Kept() {
            super("kept");
        }

        @Override
        public void handleGET(CoapExchange exchange) {
            if (body == null) exchange.respond(ResponseCode.NOT_FOUND);
            else exchange.respond(ResponseCode.CONTENT, body, MediaTypeRegistry.TEXT_PLAIN);
        }

        @Override
        public void handlePUT(CoapExchange exchange) {
            ResponseCode code = body == null ? ResponseCode.CREATED : ResponseCode.CHANGED;
            body = Arrays.copyOf(exchange.getRequestPayload(), exchange.getRequestPayload().length);
            exchange.respond(code);
        }

        @Override
        public void handlePOST(CoapExchange exchange) {
            exchange.respond(ResponseCode.CHANGED, reversed(exchange.getRequestPayload()), MediaTypeRegistry.TEXT_PLAIN);
        }

        @Override
        public void handleFETCH(CoapExchange exchange) {
            exchange.respond(ResponseCode.CONTENT, reversed(exchange.getRequestPayload()), MediaTypeRegistry.TEXT_PLAIN);
        }

        @Override
        public void handleDELETE(CoapExchange exchange) {
            body = null;
            exchange.respond(ResponseCode.DELETED);
        }
    }

    private static final class Slow extends CoapResource {
        Slow() {
            super("slow");
        }

        @Override
        public void handleGET(CoapExchange exchange) {
            exchange.accept();
            try {
                Thread.sleep(1200);
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
            }
            exchange.respond("at last");
        }
    }

    /** Counts up five times a second. */
    private static final class Counting extends CoapResource {
        private int count;

        Counting() {
            super("count");
            setObservable(true);
            setObserveType(Type.NON);
            getAttributes().setObservable();
            new Timer(true).schedule(new TimerTask() {
                @Override
                public void run() {
                    count++;
                    changed();
                }
            }, 200, 200);
        }

        @Override
        public void handleGET(CoapExchange exchange) {
            exchange.respond(Integer.toString(count));
        }
    }

    private static final class Observers extends CoapResource {
        private final Counting counting;

        Observers(Counting counting) {
            super("observers");
            this.counting = counting;
        }

        @Override
        public void handleGET(CoapExchange exchange) {
            exchange.respond(counting.getObserverCount() > 0 ? "some" : "none");
        }
    }

    private Peer() {}
}
