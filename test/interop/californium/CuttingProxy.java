// A forward proxy made of Californium, for the interop tests: hands everything on to one server, by Proxy-Scheme, and cuts what it sends
// into small blocks by itself.
//   CuttingProxy ADDRESS PORT SERVER-PORT BLOCK-SIZE      says "ready" when it listens; the server is at the same address
import java.net.InetAddress;
import java.net.InetSocketAddress;
import org.eclipse.californium.core.CoapServer;
import org.eclipse.californium.core.coap.MessageObserverAdapter;
import org.eclipse.californium.core.coap.OptionSet;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.coap.Response;
import org.eclipse.californium.core.coap.CoAP.ResponseCode;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.core.network.Exchange;
import org.eclipse.californium.core.server.MessageDeliverer;
import org.eclipse.californium.elements.AddressEndpointContext;
import org.eclipse.californium.elements.config.Configuration;

public final class CuttingProxy {
    public static void main(String[] args) throws Exception {
        CoapConfig.register();
        Configuration configuration = Configuration.createStandardWithoutFile();
        int blockSize = Integer.parseInt(args[3]);
        configuration.set(CoapConfig.PREFERRED_BLOCK_SIZE, blockSize);
        configuration.set(CoapConfig.MAX_MESSAGE_SIZE, blockSize);
        configuration.set(CoapConfig.MAX_RESOURCE_BODY_SIZE, 65_536);
        Configuration.setStandard(configuration);
        InetAddress address = InetAddress.getByName(args[0]);
        InetSocketAddress target = new InetSocketAddress(address, Integer.parseInt(args[2]));
        CoapEndpoint back = CoapEndpoint.builder().setConfiguration(configuration).setInetSocketAddress(new InetSocketAddress(address, 0)).build();
        back.start();
        CoapServer server = new CoapServer(configuration);
        server.addEndpoint(CoapEndpoint.builder().setConfiguration(configuration)
                .setInetSocketAddress(new InetSocketAddress(address, Integer.parseInt(args[1]))).build());
        server.setMessageDeliverer(new MessageDeliverer() {
            @Override
            public void deliverRequest(Exchange exchange) {
                forward(exchange, back, target);
            }

            @Override
            public void deliverResponse(Exchange exchange, Response response) {
                // This end asks nobody.
            }
        });
        server.start();
        System.out.println("ready");
    }

    private static byte[] oscore(OptionSet options) {
        return options.getOscore();
    }

    private static void forward(Exchange exchange, CoapEndpoint back, InetSocketAddress target) {
        Request incoming = exchange.getRequest();
        Request request = new Request(incoming.getCode(), incoming.getType());
        request.setDestinationContext(new AddressEndpointContext(target));
        request.setPayload(incoming.getPayload());
        if (oscore(incoming.getOptions()) != null) request.getOptions().setOscore(oscore(incoming.getOptions()));
        request.addMessageObserver(new MessageObserverAdapter() {
            @Override
            public void onResponse(Response incomingResponse) {
                Response response = new Response(incomingResponse.getCode());
                response.setPayload(incomingResponse.getPayload());
                byte[] option = oscore(incomingResponse.getOptions());
                if (option != null) response.getOptions().setOscore(option);
                exchange.sendResponse(response);
            }

            @Override
            public void onTimeout() {
                exchange.sendResponse(new Response(ResponseCode.GATEWAY_TIMEOUT));
            }
        });
        back.sendRequest(request);
    }
}
