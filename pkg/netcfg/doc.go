// Package netcfg puts the configured links, addresses, routes and virtual
// addresses (VIPs) into the kernel and keeps them there. A directory of text
// files becomes a Config (Load), the Config and the links at hand become what is
// Desired (Resolve), Desired and the observed State become a list of operations
// (Plan), and the operations go to the kernel through netlink (Kernel.Apply).
// Manager runs that circle on netlink events, so what is changed by hand comes
// back at once, and announces addresses by gratuitous ARP and unsolicited
// neighbour advertisement.
//
// It must not touch what is not its own: addresses carry address protocol 83
// (IFA_PROTO, Linux 5.18) and routes route protocol 83, only those are ever
// removed, and nothing is removed when netd stops. An address or route that is
// configured and already there under another protocol is taken over.
//
// # Files
//
// *.network files have systemd-networkd's syntax (systemd.network(5)); the keys
// below are the whole subset, any other key is a fault. The first file in name
// order that matches a link configures it. *.vip files are Sluice's own. Lists
// are separated by blanks; an empty value resets a list. Names that start with a
// dot or end in "~", and other endings, are not read, except that *.netdev,
// *.link and misspelt endings are faults.
//
//	[Match]              all given keys must match; at least one is needed
//	Name=                list of globs, "!" first inverts the list
//	MACAddress=          list of addresses
//	Driver=              list of globs
//	Type=                list of globs: ether, loopback, ...
//	X-First=             yes: only the matching link with the lowest index
//	[Link]
//	MTUBytes=            68..65535, suffixes K, M
//	MACAddress=          address to set
//	RequiredForOnline=   no: readiness does not wait for this link (default yes)
//	[Network]
//	Description=         free text
//	Address=             address/length; repeatable
//	Gateway=             default route; repeatable
//	DNS=                 list of name servers for resolv.conf; repeatable
//	Domains=             list of search domains for resolv.conf
//	NTP=                 list of time servers, names or addresses; repeatable
//	DHCP=                yes or ipv4: a DHCPv4 client (default no)
//	IPv6AcceptRA=        yes: addresses and routes from router advertisements (SLAAC),
//	                     no temporary addresses; no: none; without it the kernel's
//	                     setting stays
//	[DHCPv4]             how DHCP= works
//	UseDNS= UseNTP= UseRoutes=       yes (default): name servers, time servers, routes
//	UseDomains= UseHostname= UseMTU= no (default): search domains, host name, MTU
//	RouteMetric=         of the lease's routes (default 1024)
//	ClientIdentifier=    mac (default) or duid, a DUID-LL of the hardware address
//	SendHostname=        yes (default): tell the server Hostname=, or the system's name
//	Hostname=            name to tell
//	[IPv6AcceptRA]       how IPv6AcceptRA= works
//	UseDNS=              yes (default): name servers of advertisements
//	UseDomains=          no (default): their search domains
//	[Address]            one address with details; repeatable
//	Address= Peer= Label=
//	DuplicateAddressDetection=  none (default) or ipv6
//	[Route]              one route; repeatable
//	Destination= Gateway= GatewayOnLink= Metric= PreferredSource= Table= Scope= MTUBytes=
//
//	[VIP]                one or more virtual addresses; repeatable
//	Address=             address/length, normally /32 or /128; repeatable
//	Link=                a link name or glob, or the name of a .network file; without
//	                     it the link whose configured prefix holds the address
//	Announce=            yes (default) or no
//	AnnounceCount=       announcements after the address or the carrier came, 1..60 (3)
//	AnnounceIntervalSec= seconds between them, 0.1..60 (1)
//	RequiredForOnline=   no: readiness does not wait for it (default yes)
//	Description=         free text
//
// IPv6 addresses are set without duplicate address detection unless the file
// asks for it, so they are usable at once; with it, a duplicate is reported. An
// IPv6 VIP has preferred lifetime 0: it accepts connections, but the appliance
// never picks it as the source of its own. Static addresses are announced three
// times in intervals of a second.
//
// # Leases
//
// A lease adds an address with a lifetime, routes, name servers and so on to what
// the files say, and what the files say comes first. It is kept in a file, so
// that a restart of netd takes no address away and asks for the same one, and is
// never released. A DHCP link counts for readiness once it has its lease; other
// links and static addresses do not wait for it.
//
// # Time
//
// With NTP= or servers of a lease, netd keeps the clock: a majority of the servers
// has to agree, half a second is stepped, less is slewed. Without servers it
// leaves the clock alone.
package netcfg
