package config

// rawReceiver is one table [notify.NAME] of any type.
type rawReceiver struct {
	at
	Type    text              `toml:"type"`
	On      list[text, *text] `toml:"on"`
	Repeat  duration          `toml:"repeat"`
	Collect duration          `toml:"collect"`
	Rate    number            `toml:"rate"`
	Timeout duration          `toml:"timeout"`

	rawEmail
	rawWebhook
	rawPeer
	rawExec
}

func (r *rawReceiver) decode(p *problems, n *node) {
	decodeTable(p, n, r, `a table [`+n.path+`] with a type`)
}

type rawEmail struct {
	To       list[text, *text] `toml:"to"`
	From     text              `toml:"from"`
	Server   text              `toml:"server"`
	TLS      text              `toml:"tls"`
	Username text              `toml:"username"`
	Password text              `toml:"password_file"`
}

type rawWebhook struct {
	URL          text               `toml:"url"`
	URLFile      text               `toml:"url_file"`
	Format       text               `toml:"format"`
	Template     text               `toml:"template"`
	ContentType  text               `toml:"content_type"`
	Headers      named[text, *text] `toml:"headers"`
	SecretHeader text               `toml:"secret_header"`
	SecretFile   text               `toml:"secret_file"`
}

// rawPeer is how a server proves who it is.
type rawPeer struct {
	Verify     boolean `toml:"verify"`
	ServerName text    `toml:"server_name"`
	CAFile     text    `toml:"ca_file"`
}

type rawExec struct {
	Command list[text, *text] `toml:"command"`
	User    text              `toml:"user"`
}
