package webhook

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// forbidden has an address of every class that is not public, and the forms an IPv4 address can hide in.
var forbidden = map[string][]string{
	"ThisHost":        {"0.0.0.0", "0.1.2.3", "::"},
	"Loopback":        {"127.0.0.1", "127.255.255.254", "::1"},
	"Private":         {"10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255"},
	"CarrierGradeNAT": {"100.64.0.1", "100.127.255.255"},
	"LinkLocal":       {"169.254.0.1", "169.254.255.255", "fe80::1", "fe80::1%eth0", "febf::1"},
	"Metadata":        {"169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254"},
	"UniqueLocal":     {"fc00::1", "fdff::1"},
	"SiteLocal":       {"fec0::1"},
	"Multicast":       {"224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"},
	"Broadcast":       {"255.255.255.255"},
	"Reserved":        {"240.0.0.1", "254.1.2.3", "4000::1", "5f00::1"},
	"Assignments":     {"192.0.0.1", "192.0.0.170", "192.88.99.1", "2001::1", "2001:2::1", "2620:4f:8000::1"},
	"Documentation":   {"192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"},
	"Benchmarks":      {"198.18.0.1", "198.19.255.255"},
	"IPv4Mapped":      {"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:100.100.100.200"},
	"IPv4Compatible":  {"::7f00:1", "::8.8.8.8"},
	"NAT64":           {"64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808"},
	"SixToFour":       {"2002:7f00:1::", "2002:a00:1::1"},
	"Teredo":          {"2001:0:7f00:1::1"},
	"Discard":         {"100::1"},
}

func TestGuardAllows(t *testing.T) {
	t.Parallel()

	for class, addresses := range forbidden {
		t.Run(class+"IsRefused", func(t *testing.T) {
			t.Parallel()
			for _, text := range addresses {
				if (guard{}).allows(netip.MustParseAddr(text)) {
					t.Errorf("%s is allowed", text)
				}
				if err := (guard{}).control("tcp", netip.AddrPortFrom(netip.MustParseAddr(text), 443).String(), nil); !errors.Is(err, errForbiddenAddress) {
					t.Errorf("connecting to %s: %v", text, err)
				}
			}
		})
	}

	t.Run("PublicIsAllowed", func(t *testing.T) {
		t.Parallel()
		for _, text := range []string{
			"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1", "126.255.255.255", "128.0.0.1", "169.253.0.1",
			"172.15.255.255", "172.32.0.1", "192.167.0.1", "192.169.0.1", "198.17.0.1", "198.20.0.1", "223.255.255.255",
			"2606:4700:4700::1111", "2400:3200::1", "::ffff:8.8.8.8", "64:ff9b::808:808",
		} {
			if !(guard{}).allows(netip.MustParseAddr(text)) {
				t.Errorf("%s is refused", text)
			}
		}
	})

	t.Run("AllowedNetworkOpensItselfAlone", func(t *testing.T) {
		t.Parallel()
		g := guard{allowPrivate: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/32")}}
		for text, want := range map[string]bool{
			"10.1.2.3": true, "::ffff:10.1.2.3": true, "64:ff9b::a01:203": true, "fd00:1::5": true,
			"10.2.0.1": false, "127.0.0.1": false, "192.168.0.1": false, "fd00:2::5": false, "8.8.8.8": true,
		} {
			if got := g.allows(netip.MustParseAddr(text)); got != want {
				t.Errorf("%s: %t, want %t", text, got, want)
			}
		}
	})

	t.Run("MetadataStaysRefusedInsideAllowedNetworks", func(t *testing.T) {
		t.Parallel()
		g := guard{allowPrivate: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}}
		for _, class := range []string{"Metadata", "Multicast", "Broadcast", "ThisHost"} {
			for _, text := range forbidden[class] {
				if g.allows(netip.MustParseAddr(text)) {
					t.Errorf("%s is allowed", text)
				}
			}
		}
		if !g.allows(netip.MustParseAddr("192.168.1.1")) {
			t.Error("an allowed address is refused")
		}
	})

	t.Run("WhatIsNotAnAddressIsRefused", func(t *testing.T) {
		t.Parallel()
		for _, text := range []string{"", "example.com:443", "8.8.8.8", "/var/run/docker.sock"} {
			if err := (guard{}).control("unix", text, nil); !errors.Is(err, errForbiddenAddress) {
				t.Errorf("%q: %v", text, err)
			}
		}
		if (guard{}).allows(netip.Addr{}) {
			t.Error("no address is allowed")
		}
	})
}

func TestGuardCheck(t *testing.T) {
	t.Parallel()
	local := guard{allowPrivate: loopback}

	for name, c := range map[string]struct {
		guard guard
		url   string
	}{
		"HTTPS":                        {guard{}, "https://shop.example.com/webhooks?a=b"},
		"Port":                         {guard{}, "https://shop.example.com:8443/"},
		"PublicAddress":                {guard{}, "https://8.8.8.8/"},
		"HTTPToAllowedNetwork":         {local, "http://127.0.0.1:8080/hook"},
		"HTTPToLocalhostWhereAllowed":  {local, "http://localhost:8080/hook"},
		"HTTPWhereTheOperatorAllowsIt": {guard{allowHTTP: true}, "http://shop.example.com/"},
		"NameThatMayResolveToAnything": {guard{}, "https://internal.example.com/"},
		"AddressBehindAName":           {guard{}, "https://127.0.0.1.nip.example/"},
		"ChineseNameIsAName":           {guard{}, "https://商城.example/"},
		"AllowedNetworkWithEncryption": {local, "https://127.0.0.1/"},
	} {
		t.Run(name+"IsTaken", func(t *testing.T) {
			t.Parallel()
			if err := c.guard.check(c.url); err != nil {
				t.Errorf("%s: %v", c.url, err)
			}
		})
	}

	for name, c := range map[string]struct {
		guard guard
		url   string
	}{
		"Nothing":                   {local, ""},
		"Path":                      {local, "/webhooks"},
		"NoHost":                    {local, "https:///webhooks"},
		"Opaque":                    {local, "https:shop.example.com"},
		"HTTP":                      {guard{}, "http://shop.example.com/"},
		"HTTPToAName":               {local, "http://shop.example.com/"},
		"HTTPToAPublicAddress":      {local, "http://8.8.8.8/"},
		"FTP":                       {local, "ftp://shop.example.com/"},
		"File":                      {local, "file:///etc/passwd"},
		"Gopher":                    {guard{allowHTTP: true}, "gopher://127.0.0.1:6379/_x"},
		"User":                      {local, "https://user@shop.example.com/"},
		"UserAndPassword":           {local, "https://user:hunter2@shop.example.com/"},
		"Fragment":                  {local, "https://shop.example.com/#a"},
		"EmptyFragment":             {local, "https://shop.example.com/#"},
		"TooLong":                   {local, "https://shop.example.com/" + strings.Repeat("a", urlMax)},
		"ControlCharacter":          {local, "https://shop.example.com/\n"},
		"PortZero":                  {local, "https://shop.example.com:0/"},
		"PortTooHigh":               {local, "https://shop.example.com:65536/"},
		"Loopback":                  {guard{}, "https://127.0.0.1/"},
		"LoopbackWithHTTPAllowed":   {guard{allowHTTP: true}, "http://127.0.0.1/"},
		"Localhost":                 {guard{}, "https://LOCALHOST/"},
		"LoopbackIPv6":              {guard{}, "https://[::1]/"},
		"MappedLoopback":            {guard{}, "https://[::ffff:127.0.0.1]/"},
		"LinkLocalWithZone":         {guard{}, "https://[fe80::1%25eth0]/"},
		"Metadata":                  {local, "http://169.254.169.254/latest/meta-data/"},
		"MetadataOfAlibaba":         {local, "https://100.100.100.200/"},
		"PrivateOutsideWhatAllowed": {local, "https://10.0.0.1/"},
	} {
		t.Run(name+"IsRefused", func(t *testing.T) {
			t.Parallel()
			refusal, ok := errors.AsType[*payment.Error](c.guard.check(c.url))
			if !ok || refusal.Code != payment.CodeInvalid || refusal.Field != "url" {
				t.Fatalf("%q: %v", c.url, refusal)
			}
			if strings.Contains(refusal.Error(), "hunter2") {
				t.Errorf("the error shows a password: %v", refusal)
			}
		})
	}
}
