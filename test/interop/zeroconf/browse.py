"""Browses for _core-rd._udp with python-zeroconf and prints one JSON line for each service that comes or goes."""

import json
import sys
import time

from zeroconf import InterfaceChoice, IPVersion, ServiceBrowser, ServiceListener, Zeroconf

TYPE = "_core-rd._udp.local."


class Printer(ServiceListener):
    def add_service(self, zc, type_, name):
        info = zc.get_service_info(type_, name, 3000)
        tell(
            event="came",
            name=name,
            port=info and info.port,
            server=info and info.server,
            addresses=sorted(info.parsed_addresses()) if info else [],
            text={key.decode(): (value or b"").decode() for key, value in info.properties.items()} if info else {},
        )

    def remove_service(self, zc, type_, name):
        tell(event="went", name=name)

    def update_service(self, zc, type_, name):
        pass


def tell(**facts):
    print(json.dumps(facts), flush=True)


version = IPVersion.V6Only if sys.argv[1] == "IPv6" else IPVersion.V4Only
zeroconf = Zeroconf(interfaces=InterfaceChoice.All, ip_version=version)
ServiceBrowser(zeroconf, TYPE, Printer())
tell(event="browsing")
time.sleep(60)
