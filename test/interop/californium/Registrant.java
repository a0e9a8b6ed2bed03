// Californium's client as an endpoint of a directory, and as one who looks up:
//   Registrant ORIGIN            one line for each step: its name and what came of it
import java.util.Set;
import java.util.TreeSet;
import org.eclipse.californium.core.CoapClient;
import org.eclipse.californium.core.CoapResponse;
import org.eclipse.californium.core.WebLink;
import org.eclipse.californium.core.coap.LinkFormat;
import org.eclipse.californium.core.coap.MediaTypeRegistry;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.elements.config.Configuration;

public final class Registrant {
    private static String origin;

    public static void main(String[] args) throws Exception {
        CoapConfig.register();
        Configuration.setStandard(Configuration.createStandardWithoutFile().set(CoapConfig.MAX_RESOURCE_BODY_SIZE, 2 << 20));
        origin = args[0];
        String links = "</sensors/temp>;rt=\"temperature-c\";if=\"sensor\",</sensors/light>;rt=\"light-lux\";if=\"sensor\"";

        Set<WebLink> found = new CoapClient(origin).discover("rt=core.rd*");
        Set<String> targets = new TreeSet<>();
        for (WebLink link : found) targets.add(link.getURI());
        say("discovery", targets);

        CoapResponse created = at("/rd?ep=node1&et=x.node&base=coap://node1.example").post(links, MediaTypeRegistry.APPLICATION_LINK_FORMAT);
        String location = "/" + created.getOptions().getLocationPathString();
        say("registration", created.getCode(), location.startsWith("/rd/"));
        say("lookup", linksOf("/rd-lookup/res?rt=light-lux"));
        say("lookup of its name", linksOf("/rd-lookup/ep?et=x.node").contains(location));
        say("update", at(location + "?lt=600&base=coap://moved.example").post("", MediaTypeRegistry.UNDEFINED).getCode());
        say("lookup after it", linksOf("/rd-lookup/res?rt=temperature*"));

        StringBuilder many = new StringBuilder();
        for (int index = 0; index < 400; index++) {
            if (index > 0) many.append(',');
            many.append("</lamp/").append(index).append(">;rt=\"x.lamp\";title=\"Lamp ").append(index).append(" in the long corridor\"");
        }
        say("block by block", at("/rd?ep=big&base=coap://big.example").post(many.toString(), MediaTypeRegistry.APPLICATION_LINK_FORMAT).getCode());
        say("and back", linksOf("/rd-lookup/res?ep=big").size());

        say("removal", at(location).delete().getCode());
        say("removal again", at(location).delete().getCode());
        System.exit(0);
    }

    private static CoapClient at(String path) {
        return new CoapClient(origin + path).setTimeout(20_000L);
    }

    private static Set<String> linksOf(String path) throws Exception {
        Set<String> targets = new TreeSet<>();
        for (WebLink link : LinkFormat.parse(at(path).get().getResponseText())) targets.add(link.getURI());
        return targets;
    }

    private static void say(Object... results) {
        StringBuilder line = new StringBuilder();
        for (Object result : results) line.append(line.length() == 0 ? "" : "\t").append(result);
        System.out.println(line);
    }
}
