package zonefile_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"

	"github.com/mailform/mailform/providers/zonefile"
)

// Reading a zone of 100,000 names is what each plan does.
func BenchmarkRead(b *testing.B) {
	folder := b.TempDir()
	var text strings.Builder
	text.WriteString("example.com. 300 IN SOA ns1.example.net. hostmaster.example.net. 1 7200 900 1209600 300\nexample.com. 300 IN NS ns1.example.net.\n")
	for i := range 100000 {
		fmt.Fprintf(&text, "h%d.example.com. 3600 IN TXT \"v%d\"\n", i, i)
	}
	write(b, filepath.Join(folder, "example.com.zone"), text.String())
	p := &zonefile.Provider{}
	p.Configure(b.Context(), providers.Config{Value: cty.ObjectVal(attrs{"directory": cty.StringVal(folder)}), Dir: folder})
	scope := providers.Scope{Wanted: []schema.Resource{providertest.ZoneResource("example.com.", nil)}}
	for b.Loop() {
		list, err := p.Read(b.Context(), scope)
		if err != nil || len(list) != 100002 {
			b.Fatal(len(list), err)
		}
	}
}
