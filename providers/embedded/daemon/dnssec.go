package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/providers/embedded/dnssec"
	"github.com/mailform/mailform/providers/embedded/primary"
	"github.com/mailform/mailform/providers/embedded/store"
	"github.com/mailform/mailform/schema"
)

// SignedZones implements admin.Hooks.
func (d *daemon) SignedZones(ctx context.Context, zone string) ([]admin.SignedZone, error) {
	list, err := d.primary.Status(ctx, zone)
	if err != nil {
		return nil, signingRefusal(zone, err)
	}
	out := make([]admin.SignedZone, 0, len(list))
	for _, st := range list {
		z := admin.SignedZone{Zone: plainZone(st.Zone), Serial: st.Serial, DS: st.DS, Keys: []admin.SignedKey{}, Renewal: stamp(st.Renewal)}
		for _, k := range st.Keys {
			z.Keys = append(z.Keys, admin.SignedKey{
				Role: string(k.Role), Tag: k.Tag, State: string(k.State), Since: stamp(k.Since), Waits: k.Waits, Until: stamp(k.Until),
			})
		}
		out = append(out, z)
	}
	return out, nil
}

// Sign implements admin.Hooks.
func (d *daemon) Sign(ctx context.Context, r admin.SigningRequest) error {
	role := dnssec.Role(r.Role)
	var err error
	switch {
	case r.Action == "confirm":
		err = d.primary.Confirm(ctx, r.Zone)
	case r.Action == "roll" && (role == dnssec.KSK || role == dnssec.ZSK):
		err = d.primary.Roll(ctx, r.Zone, role)
	default:
		err = &admin.Error{Code: "invalid", Message: fmt.Sprintf("the action is %q of the role %q: expected roll of ksk or zsk, or confirm", r.Action, r.Role)}
	}
	return signingRefusal(r.Zone, err)
}

// signingRefusal makes errors that are the caller's answers to him.
func signingRefusal(zone string, err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return &admin.Error{Code: "invalid", Kind: schema.KindDNSSEC, Key: zone, Message: "there is no signed zone of that name"}
	case errors.Is(err, primary.ErrUnderWay), errors.Is(err, primary.ErrNothingAwaited):
		return &admin.Error{Code: "invalid", Message: err.Error()}
	}
	return err
}

func plainZone(name string) string {
	if name == "." {
		return name
	}
	return strings.TrimSuffix(name, ".")
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
