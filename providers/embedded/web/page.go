package web

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"

	"github.com/mailform/mailform/schema/clients"
)

//go:embed page.html
var pageText string

//go:embed style.css
var styleText []byte

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// A view is what the page shows.
type view struct {
	Asked   string // what somebody wrote
	Address string // empty: nothing is shown
	Failed  string // why not
	Ways    []way
	Profile template.URL
	Code    template.URL // empty: a telephone cannot be told
}

// A way is a row of the table.
type way struct {
	Doing, Protocol, Host string
	Port                  uint16
	TLS                   string
}

var doings = map[string][2]string{
	"imap": {"Reading mail", "IMAP"}, "pop3": {"Reading mail", "POP3"}, "submission": {"Sending mail", "SMTP"}, "managesieve": {"Sorting mail", "ManageSieve"},
}

// page shows people the settings for their address.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	v := view{Asked: r.URL.Query().Get("address")}
	if v.Asked != "" {
		d, address := s.asked(r, v.Asked, "")
		switch {
		case d == nil:
			v.Failed = "There are no settings for this address here. Look whether it is written right."
		case len(d.Doors) == 0:
			v.Failed = "Mail of this domain is not read or sent with a mail program from here."
		default:
			v.show(d, address)
		}
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		s.opts.Log.Error("make the page", "error", err)
		http.Error(w, "The page cannot be made.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

func (v *view) show(d *Domain, address string) {
	v.Address = address
	for _, door := range d.Doors {
		tls := "STARTTLS"
		if door.TLS {
			tls = "TLS"
		}
		names := doings[door.Service]
		v.Ways = append(v.Ways, way{names[0], names[1], door.Host, door.Port, tls})
	}
	v.Profile = template.URL("/mailform.mobileconfig?address=" + url.QueryEscape(address)) //nolint:gosec // escaped
	if code, err := (&clients.Setup{Domain: d.Name, Address: address, Doors: d.Doors}).QR(); err == nil {
		v.Code = template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(code.PNG()))
	}
}

func (s *Server) style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "max-age=3600")
	_, _ = w.Write(styleText)
}
