package webhook

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// guard decides where webhooks may go. An app chooses the URL, so without it an app could make the gateway speak to
// machines that only the gateway can reach.
type guard struct {
	allowPrivate []netip.Prefix
	allowHTTP    bool
}

var errForbiddenAddress = errors.New("webhook: the address is not public")

// control is a [net.Dialer.Control]: it sees the address that is about to be connected to, after name resolution, so
// that a name which resolves differently the next time gains nothing.
func (g guard) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !g.allows(to.Addr()) {
		return errForbiddenAddress
	}
	return nil
}

var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96") // leads to the IPv4 address in its last bytes, RFC 6052
	publicIPv6 = netip.MustParsePrefix("2000::/3")     // all that is handed out for global use, RFC 4291
)

func (g guard) allows(addr netip.Addr) bool {
	addr = addr.WithZone("").Unmap()
	if nat64.Contains(addr) {
		last := addr.As16()
		return g.allows(netip.AddrFrom4([4]byte(last[12:])))
	}
	contains := func(p netip.Prefix) bool { return p.Contains(addr) }
	if slices.ContainsFunc(neverAllowed, contains) {
		return false
	}
	if slices.ContainsFunc(g.allowPrivate, contains) {
		return true
	}
	if addr.Is6() && !publicIPv6.Contains(addr) {
		return false
	}
	return addr.IsValid() && !slices.ContainsFunc(notPublic, contains)
}

// neverAllowed stays refused inside the networks of Config.AllowPrivate: no app lives there.
var neverAllowed = prefixes(
	"0.0.0.0/8", "::/128", // this host, whichever it is
	"224.0.0.0/4", "ff00::/8", // multicast
	"255.255.255.255/32",  // broadcast
	"169.254.169.254/32",  // metadata: AWS, Azure, Google Cloud, Tencent Cloud and others
	"169.254.170.2/32",    // metadata: AWS containers
	"169.254.170.23/32",   // metadata: AWS EKS
	"169.254.0.23/32",     // metadata: Tencent Cloud
	"100.100.100.200/32",  // metadata: Alibaba Cloud
	"192.0.0.192/32",      // metadata: Oracle Cloud
	"168.63.129.16/32",    // Azure's host agent, on a public address
	"fd00:ec2::/32",       // metadata: AWS, IPv6
	"fd20:ce::254/128",    // metadata: Google Cloud, IPv6
	"fe80::a9fe:a9fe/128", // metadata: OpenStack, IPv6
)

// notPublic is what the IANA special-purpose address registries keep from global use, inside the space that would
// otherwise be public.
var notPublic = prefixes(
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", // private, RFC 1918
	"100.64.0.0/10",                                     // carrier-grade NAT, RFC 6598
	"127.0.0.0/8",                                       // loopback
	"169.254.0.0/16",                                    // link-local
	"192.0.0.0/24",                                      // protocol assignments, RFC 6890
	"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", // documentation, RFC 5737
	"192.88.99.0/24",    // 6to4 relays, RFC 7526
	"198.18.0.0/15",     // benchmarks, RFC 2544
	"240.0.0.0/4",       // reserved, RFC 1112
	"2001::/23",         // protocol assignments, Teredo among them, RFC 2928
	"2001:db8::/32",     // documentation, RFC 3849
	"2002::/16",         // 6to4: an IPv4 address inside, RFC 3056
	"3fff::/20",         // documentation, RFC 9637
	"2620:4f:8000::/48", // AS112, RFC 7534
)

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

const urlMax = 2048 // bytes

// check tells what is wrong with an endpoint's URL as it stands; what its name resolves to is for control to judge.
func (g guard) check(text string) error {
	if text == "" || len(text) > urlMax {
		return invalid("url", "give an https URL of at most %d bytes", urlMax)
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.Hostname() == "" {
		return invalid("url", "this is not a URL with a host; write it like https://shop.example.com/webhooks")
	}
	addr, isAddr := address(u.Hostname())
	switch {
	case u.User != nil:
		return invalid("url", "leave out the user name and password; the receiver verifies the webhook's signature instead")
	case strings.Contains(text, "#"):
		return invalid("url", "leave out the fragment after #; it is never sent")
	case !isPort(u.Port()):
		return invalid("url", "give a port from 1 to 65535, or none")
	case isAddr && !g.allows(addr):
		return invalid("url", "the address %s is not public; use a public one, or let the operator allow its network for webhooks", addr)
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && (g.allowHTTP || isAddr && g.isPrivate(addr)):
		return nil
	case u.Scheme == "http":
		return invalid("url", "use https: over plain http others can read and change what you receive")
	}
	return invalid("url", "use https instead of %q", u.Scheme)
}

func isPort(text string) bool {
	port, err := strconv.ParseUint(text, 10, 16)
	return text == "" || err == nil && port > 0
}

// address reads a host that is an address; "localhost" is one without asking anybody.
func address(host string) (netip.Addr, bool) {
	if strings.EqualFold(host, "localhost") {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), true
	}
	addr, err := netip.ParseAddr(host)
	return addr, err == nil
}

func (g guard) isPrivate(addr netip.Addr) bool {
	addr = addr.WithZone("").Unmap()
	return slices.ContainsFunc(g.allowPrivate, func(p netip.Prefix) bool { return p.Contains(addr) })
}
