package wire

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"

	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/internal/fake"
)

// allTraffic is the CIDR that means every address.
const allTraffic = "0.0.0.0/0"

// The limits of header rules.
const (
	maxRuleHosts   = 10
	maxRuleHeaders = 20
	maxRuleHost    = 128
	maxHeaderName  = 64
	maxHeaderValue = 2048
)

// networkRules is the network object of the API.
type networkRules struct {
	AllowOut           []string              `json:"allowOut,omitempty"`
	DenyOut            []string              `json:"denyOut,omitempty"`
	AllowPublicTraffic *bool                 `json:"allowPublicTraffic,omitempty"`
	MaskRequestHost    string                `json:"maskRequestHost,omitempty"`
	HTTPSPorts         []int                 `json:"httpsPorts,omitempty"`
	EgressProxy        *egressProxy          `json:"egressProxy,omitempty"`
	Rules              map[string][]hostRule `json:"rules,omitempty"`
}

type egressProxy struct {
	Address  string `json:"address"`
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"` // never stored
}

type hostRule struct {
	Transform *ruleTransform `json:"transform,omitempty"`
}

type ruleTransform struct {
	Headers map[string]string `json:"headers,omitempty"`
}

// updateNetwork replaces the network rules of a sandbox.
func (s *Server) updateNetwork(x *exchange, r *http.Request) error {
	id, err := sandboxID(r)
	if err != nil {
		return err
	}
	var body struct {
		networkRules

		AllowInternetAccess *bool `json:"allow_internet_access"`
	}
	if err := decode(r, &body, false); err != nil {
		return err
	}
	network, err := body.store(body.AllowInternetAccess)
	if err != nil {
		return err
	}
	if err := s.call(r, fake.OpNetwork, id); err != nil {
		return err
	}
	if err := s.engine.UpdateNetwork(id, network); err != nil {
		return err
	}
	x.WriteHeader(http.StatusNoContent)
	return nil
}

// store checks the rules and returns them as the engine stores them.
func (n *networkRules) store(internet *bool) (*fake.Network, error) {
	if n == nil {
		if internet == nil {
			return nil, nil //nolint:nilnil // no rules are no error
		}
		n = &networkRules{}
	}
	if err := n.check(); err != nil {
		return nil, err
	}
	kept := *n
	if kept.EgressProxy != nil {
		kept.EgressProxy = &egressProxy{Address: n.EgressProxy.Address, Username: n.EgressProxy.Username}
	}
	raw, err := json.Marshal(kept)
	if err != nil {
		return nil, badRequest("validation error: %s", err)
	}
	headers := make(map[string]map[string]string, len(n.Rules))
	for host, rules := range n.Rules {
		if len(rules) == 1 && rules[0].Transform != nil {
			headers[host] = rules[0].Transform.Headers
		}
	}
	return &fake.Network{
		Network: e2b.Network{
			AllowOut: n.AllowOut, DenyOut: n.DenyOut, Headers: headers,
			DenyPublicTraffic: n.AllowPublicTraffic != nil && !*n.AllowPublicTraffic,
		},
		AllowInternetAccess: internet,
		AllowPublicTraffic:  n.AllowPublicTraffic,
		MaskRequestHost:     n.MaskRequestHost,
		Raw:                 raw,
	}, nil
}

// storedRules returns the network object of a reply.
func storedRules(n *fake.Network) *networkRules {
	if n == nil {
		return nil
	}
	rules := new(networkRules)
	if len(n.Raw) > 0 && json.Unmarshal(n.Raw, rules) == nil {
		return rules
	}
	rules = &networkRules{
		AllowOut: n.AllowOut, DenyOut: n.DenyOut,
		AllowPublicTraffic: n.AllowPublicTraffic, MaskRequestHost: n.MaskRequestHost,
	}
	if n.DenyPublicTraffic {
		rules.AllowPublicTraffic = new(false)
	}
	for host, headers := range n.Headers {
		if rules.Rules == nil {
			rules.Rules = make(map[string][]hostRule)
		}
		rules.Rules[host] = []hostRule{{Transform: &ruleTransform{Headers: headers}}}
	}
	return rules
}

// check refuses what E2B refuses.
func (n *networkRules) check() error {
	for _, deny := range n.DenyOut {
		if !isAddress(deny) {
			return badRequest("invalid denied CIDR %s", deny)
		}
	}
	hosts := false
	for _, allow := range n.AllowOut {
		if allow == "0.0.0.0" || allow == "::" {
			return badRequest("invalid allowed address %s", allow)
		}
		hosts = hosts || !isAddress(allow)
	}
	if hosts && !slices.Contains(n.DenyOut, allTraffic) {
		return badRequest("When specifying allowed domains in allow out, you must include '%s' in deny out to block all other traffic.", allTraffic)
	}
	if n.EgressProxy != nil && n.EgressProxy.Address == "" {
		return badRequest("egressProxy.address is required")
	}
	return n.checkRules()
}

func (n *networkRules) checkRules() error {
	if len(n.Rules) > maxRuleHosts {
		return badRequest("network rules can have at most %d hosts", maxRuleHosts)
	}
	for host, rules := range n.Rules {
		if host == "" || len(host) > maxRuleHost {
			return badRequest("invalid host %q in network rules", host)
		}
		if len(rules) > 1 {
			return badRequest("host %q has more than one rule", host)
		}
		for _, rule := range rules {
			if rule.Transform == nil {
				continue
			}
			if len(rule.Transform.Headers) > maxRuleHeaders {
				return badRequest("the rule of host %q has more than %d headers", host, maxRuleHeaders)
			}
			for name, value := range rule.Transform.Headers {
				if name == "" || len(name) > maxHeaderName || len(value) > maxHeaderValue {
					return badRequest("invalid header in the rule of host %q", host)
				}
			}
		}
	}
	return nil
}

// isAddress reports whether s is a CIDR or an IP address that can be denied.
func isAddress(s string) bool {
	if _, err := netip.ParsePrefix(s); err == nil {
		return true
	}
	addr, err := netip.ParseAddr(s)
	return err == nil && !addr.IsUnspecified()
}
