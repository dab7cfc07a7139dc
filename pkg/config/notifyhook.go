package config

import (
	"encoding/json"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/lvsd/lvsd/pkg/notify/notice"
)

func (c *checker) webhook(name string, raw *rawReceiver) *Webhook {
	w := &Webhook{
		URL:          raw.URL.value,
		URLFile:      c.file(&raw.URLFile, "url_file"),
		ContentType:  "application/json",
		SecretHeader: raw.SecretHeader.value,
		SecretFile:   c.file(&raw.SecretFile, "secret_file"),
		TLS:          c.peer(raw),
	}
	c.webhookURL(name, raw)
	c.format(raw, w)
	for i := range raw.Headers.entries {
		h := &raw.Headers.entries[i]
		c.header(h.pos, h.name)
		if h.value.ok() && !httpguts.ValidHeaderFieldValue(h.value.value) {
			c.add(h.value.pos, "printable characters", "%q cannot be the value of a header", h.value.value)
		}
		w.Headers = append(w.Headers, Header{h.name, h.value.value})
	}
	switch {
	case raw.SecretHeader.given() && !raw.SecretFile.given():
		c.add(raw.SecretHeader.pos, "secret_file too", "secret_header has no value")
	case raw.SecretHeader.ok():
		c.header(raw.SecretHeader.pos, w.SecretHeader)
	case raw.SecretFile.given():
		w.SecretHeader = "Authorization"
	}
	return w
}

func (c *checker) header(pos Position, name string) {
	if !httpguts.ValidHeaderFieldName(name) {
		c.add(pos, "letters, digits and hyphens", "%q cannot be the name of a header", name)
	}
}

func (c *checker) webhookURL(name string, raw *rawReceiver) {
	switch {
	case raw.URL.given() && raw.URLFile.given():
		c.add(raw.URLFile.pos, "one of them", "notify.%s has both url and url_file", name)
	case !raw.URL.given() && !raw.URLFile.given():
		c.add(raw.pos, `url = "https://…"`, "notify.%s has neither url nor url_file", name)
	case raw.URL.ok():
		u, err := url.Parse(raw.URL.value)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			c.add(raw.URL.pos, `"https://HOST/PATH"`, "%q is not a URL of http or https", raw.URL.value)
		}
	}
}

func (c *checker) format(raw *rawReceiver, w *Webhook) {
	if raw.ContentType.ok() {
		w.ContentType = raw.ContentType.value
		if w.ContentType == "" || !httpguts.ValidHeaderFieldValue(w.ContentType) {
			c.add(raw.ContentType.pos, `such as "application/json"`, "%q cannot be a content type", w.ContentType)
		}
	}
	if !raw.Template.given() {
		w.Format = notice.JSONFormat
		if v, ok := choose(&c.problems, &raw.Format, "format", notice.Formats(), word(notice.Formats()...)); ok {
			w.Format = v
		}
		return
	}
	if raw.Format.given() {
		c.add(raw.Format.pos, "one of them", "a template is a format of its own")
	}
	if !raw.Template.ok() {
		return
	}
	w.Template = raw.Template.value
	if strings.TrimSpace(w.Template) == "" {
		c.add(raw.Template.pos, `a text/template such as '{"text": {{json .Text}}}'`, "the template is empty")
		return
	}
	sample, err := notice.TryTemplate(w.Template)
	if err != nil {
		c.addCause(raw.Template.pos, err, "template")
	} else if w.ContentType == "application/json" && !json.Valid(sample) {
		c.add(raw.Template.pos, "JSON, with the function json around texts, or another content_type", "the template makes %q", sample)
	}
}
