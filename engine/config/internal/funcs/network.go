package funcs

import (
	"math/big"
	"net"

	"github.com/apparentlymart/go-cidr/cidr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

func network(v cty.Value) (*net.IPNet, error) {
	_, n, err := net.ParseCIDR(v.AsString())
	if err != nil {
		return nil, argError("%q is not a network; one is written as 192.0.2.0/24", v.AsString())
	}
	return n, nil
}

// whole reads a whole number that fits an int.
func whole(v cty.Value, arg int) (int, error) {
	n, acc := v.AsBigFloat().Int64()
	if acc != big.Exact || int64(int(n)) != n {
		return 0, function.NewArgErrorf(arg, "has to be a whole number")
	}
	return int(n), nil
}

var cidrHost = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "prefix", Type: cty.String}, {Name: "hostnum", Type: cty.Number}},
	Type:   static(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		n, err := network(args[0])
		if err != nil {
			return cty.NilVal, err
		}
		num, acc := args[1].AsBigFloat().Int(nil)
		if acc != big.Exact {
			return cty.NilVal, function.NewArgErrorf(1, "has to be a whole number")
		}
		ip, err := cidr.HostBig(n, num)
		if err != nil {
			return cty.NilVal, err
		}
		return cty.StringVal(ip.String()), nil
	},
})

var cidrNetmask = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "prefix", Type: cty.String}},
	Type:   static(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		n, err := network(args[0])
		if err != nil {
			return cty.NilVal, err
		}
		if n.IP.To4() == nil {
			return cty.NilVal, argError("is an IPv6 network, which has no netmask")
		}
		return cty.StringVal(net.IP(n.Mask).String()), nil
	},
})

var cidrSubnet = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "prefix", Type: cty.String}, {Name: "newbits", Type: cty.Number}, {Name: "netnum", Type: cty.Number}},
	Type:   static(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		n, err := network(args[0])
		if err != nil {
			return cty.NilVal, err
		}
		bits, err := newBits(n, args[1], 1)
		if err != nil {
			return cty.NilVal, err
		}
		num, acc := args[2].AsBigFloat().Int(nil)
		if acc != big.Exact || num.Sign() < 0 {
			return cty.NilVal, function.NewArgErrorf(2, "has to be a whole number that is not negative")
		}
		sub, err := cidr.SubnetBig(n, bits, num)
		if err != nil {
			return cty.NilVal, err
		}
		return cty.StringVal(sub.String()), nil
	},
})

// newBits reads by how many bits a prefix is to be longer.
func newBits(n *net.IPNet, v cty.Value, arg int) (int, error) {
	bits, err := whole(v, arg)
	if err != nil {
		return 0, err
	}
	if ones, size := n.Mask.Size(); bits < 1 || ones+bits > size {
		return 0, function.NewArgErrorf(arg, "has to be from 1 to %d for %s", size-ones, n)
	}
	return bits, nil
}

var cidrSubnets = function.New(&function.Spec{
	Params:   []function.Parameter{{Name: "prefix", Type: cty.String}},
	VarParam: &function.Parameter{Name: "newbits", Type: cty.Number},
	Type:     static(cty.List(cty.String)),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		n, err := network(args[0])
		if err != nil {
			return cty.NilVal, err
		}
		ones, _ := n.Mask.Size()
		var out []cty.Value
		var last *net.IPNet
		for i, arg := range args[1:] {
			bits, err := newBits(n, arg, i+1)
			if err != nil {
				return cty.NilVal, err
			}
			if last == nil {
				if last, err = cidr.Subnet(n, bits, 0); err != nil {
					return cty.NilVal, err
				}
			} else {
				next, overflow := cidr.NextSubnet(last, ones+bits)
				if overflow || !n.Contains(next.IP) {
					return cty.NilVal, function.NewArgErrorf(i+1, "%s has no room for another /%d", n, ones+bits)
				}
				last = next
			}
			out = append(out, cty.StringVal(last.String()))
		}
		if len(out) == 0 {
			return cty.ListValEmpty(cty.String), nil
		}
		return cty.ListVal(out), nil
	},
})

// cidrContains tells whether an address, or all of a second network, lies in a
// network.
var cidrContains = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "containing_prefix", Type: cty.String}, {Name: "contained_ip_or_prefix", Type: cty.String}},
	Type:   static(cty.Bool),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		outer, err := network(args[0])
		if err != nil {
			return cty.NilVal, err
		}
		text := args[1].AsString()
		first, length := net.ParseIP(text), -1
		if first == nil {
			_, inner, err := net.ParseCIDR(text)
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(1, "%q is neither an address nor a network", text)
			}
			first = inner.IP
			length, _ = inner.Mask.Size()
		}
		if (first.To4() == nil) != (outer.IP.To4() == nil) {
			return cty.NilVal, function.NewArgErrorf(1, "%s and %s are not of one family: IPv4 or IPv6", outer, text)
		}
		ones, _ := outer.Mask.Size()
		return cty.BoolVal(outer.Contains(first) && (length < 0 || length >= ones)), nil
	},
})
