package tlsrpt

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/textproto"
	"strings"
	"time"
)

// Gzip is the report as it is sent by HTTPS and attached to mail (RFC 8460 §5.3,
// §5.4).
func (r *Report) Gzip() ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return nil, fmt.Errorf("write report: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("write report: %w", err)
	}
	return b.Bytes(), nil
}

// ContentType is that of what [Report.Gzip] makes.
const ContentType = "application/tlsrpt+gzip"

// A Mail says how a report goes by mail.
type Mail struct {
	From string   // an address
	To   []string // addresses
	// Domain is the one that the report is about, Submitter the name of who sends it.
	Domain, Submitter string
	Date              time.Time
}

// WriteMail writes the report as a message (RFC 8460 §5.3).
func (r *Report) WriteMail(w io.Writer, m Mail) error {
	data, err := r.Gzip()
	if err != nil {
		return err
	}
	mp := multipart.NewWriter(w)
	head := fmt.Sprintf("Date: %s\r\nFrom: <%s>\r\nTo: <%s>\r\n"+
		"Subject: Report Domain: %s Submitter: %s Report-ID: <%s>\r\nMessage-ID: <%s>\r\n"+
		"TLS-Report-Domain: %s\r\nTLS-Report-Submitter: %s\r\nTLS-Required: No\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: multipart/report; report-type=tlsrpt;\r\n\tboundary=\"%s\"\r\n\r\n",
		m.Date.Format("Mon, 02 Jan 2006 15:04:05 -0700"), m.From, strings.Join(m.To, ">, <"),
		m.Domain, m.Submitter, r.ID, r.ID, m.Domain, m.Submitter, mp.Boundary())
	if _, err := io.WriteString(w, head); err != nil {
		return err
	}
	text, err := mp.CreatePart(textproto.MIMEHeader{"Content-Type": {"text/plain; charset=us-ascii"}})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(text, "How mail for %s was protected by TLS on its way from %s,\r\non %s (UTC).\r\n", m.Domain, m.Submitter, r.Range.Start.Format(time.DateOnly)); err != nil {
		return err
	}
	name := fmt.Sprintf("%s!%s!%d!%d.json.gz", m.Submitter, m.Domain, r.Range.Start.Unix(), r.Range.End.Unix())
	file, err := mp.CreatePart(textproto.MIMEHeader{
		"Content-Type":              {ContentType},
		"Content-Transfer-Encoding": {"base64"},
		"Content-Disposition":       {`attachment; filename="` + name + `"`},
	})
	if err != nil {
		return err
	}
	const width = 76 // RFC 2045 §6.8
	for coded := base64.StdEncoding.EncodeToString(data); coded != ""; {
		n := min(width, len(coded))
		if _, err := io.WriteString(file, coded[:n]+"\r\n"); err != nil {
			return err
		}
		coded = coded[n:]
	}
	return mp.Close()
}
