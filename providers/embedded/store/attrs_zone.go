package store

import (
	"errors"
	"fmt"
	"math"

	"github.com/mailform/mailform/schema/rdata"
)

type zoneAttrs struct {
	Name        string `json:"name"`
	Primary     string `json:"primary"`
	Contact     string `json:"contact"`
	Refresh     uint32 `json:"refresh"`
	Retry       uint32 `json:"retry"`
	Expire      uint32 `json:"expire"`
	NegativeTTL uint32 `json:"negative_ttl"`
}

func (a *zoneAttrs) key() string  { return rdata.Name(a.Name).Host() }
func (*zoneAttrs) parent() string { return "" }

func (a *zoneAttrs) check() error {
	for _, n := range [][2]string{{"name", a.Name}, {"primary", a.Primary}, {"contact", a.Contact}} {
		if err := checkAbsolute(n[0], n[1]); err != nil {
			return err
		}
	}
	for _, t := range []struct {
		name    string
		seconds uint32
	}{{"refresh", a.Refresh}, {"retry", a.Retry}, {"expire", a.Expire}, {"negative_ttl", a.NegativeTTL}} {
		if t.seconds > math.MaxInt32 { // RFC 2181 §8
			return fmt.Errorf("%s is %d: it cannot be more than %d seconds", t.name, t.seconds, math.MaxInt32)
		}
	}
	return nil
}

type rrsetAttrs struct {
	Zone   string   `json:"zone"`
	Name   string   `json:"name"`
	Type   string   `json:"type"`
	TTL    uint32   `json:"ttl"`
	Values []string `json:"values"`
}

func (a *rrsetAttrs) key() string {
	return rdata.Name(a.Zone).Host() + "/" + a.Name + "/" + a.Type
}

func (a *rrsetAttrs) parent() string { return rdata.Name(a.Zone).Host() }

func (a *rrsetAttrs) check() error {
	for _, n := range [][2]string{{"zone", a.Zone}, {"name", a.Name}} {
		if err := checkAbsolute(n[0], n[1]); err != nil {
			return err
		}
	}
	if !rdata.Name(a.Name).In(rdata.Name(a.Zone)) {
		return fmt.Errorf("name %q does not lie in the zone %q", a.Name, a.Zone)
	}
	if t, err := rdata.ParseType(a.Type); err != nil || t != a.Type {
		return fmt.Errorf("type %q is not the type of a record set", a.Type)
	}
	if a.TTL > math.MaxInt32 { // RFC 2181 §8
		return fmt.Errorf("ttl is %d: it cannot be more than %d", a.TTL, math.MaxInt32)
	}
	if len(a.Values) == 0 {
		return errors.New("values is empty: a record set has at least one record")
	}
	for _, v := range a.Values {
		if _, err := rdata.RR(rdata.Name(a.Name), a.TTL, a.Type, v); err != nil {
			return fmt.Errorf("values: %q: %w", v, err)
		}
	}
	return nil
}
