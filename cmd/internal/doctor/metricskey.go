package doctor

import (
	"context"
	"errors"
	"io/fs"

	"bearerd/config"
	"bearerd/secrets"
)

// metricsKey reads the value that opens /metrics. The loader has looked at one that is written out.
func (d *Doctor) metricsKey(ctx context.Context, ch *chart) {
	u := Use{"admin metrics_key", d.config.Admin.MetricsKey}
	if u.Ref.IsZero() || u.Ref.Kind == secrets.Literal {
		return
	}
	ch.take("secrets", func() finding {
		if because := d.unread(u.Ref); because != "" {
			return skipped("", "%s: not looked at because of %s", u.What, because)
		}
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		key, err := d.resolve.ResolveText(ctx, u.Ref)
		if errors.Is(err, fs.ErrPermission) && d.owner != "" {
			return skipped(d.owner, "%s: only that user may read it", u.What)
		}
		if err != nil {
			return d.noSecret(u, err)
		}
		if err := config.CheckMetricsKey(key); err != nil {
			return bad("write a longer value there: /metrics cannot be had with this one", "%s: %s: %v", u.What, u.Ref, err)
		}
		return good("%s has a value", u.What)
	})
}

// unread is the step that keeps a reference from being read; "": none.
func (d *Doctor) unread(ref secrets.Ref) string {
	inVault := ref.Kind == secrets.Vault || ref.Kind == secrets.Stored && d.config.Shared != nil
	switch {
	case inVault && d.noVault != nil:
		return d.unasked
	case ref.Kind == secrets.Stored && d.broken != "":
		return d.broken
	}
	return ""
}

// noSecret is about a reference without a value. What the daemon's environment holds is not known here.
func (d *Doctor) noSecret(u Use, err error) finding {
	remedy := map[secrets.Kind]string{
		secrets.Env:        "set " + u.Ref.Name + " where bearerd is started: the shell, the client's env, or the systemd unit",
		secrets.File:       "write the value into that file (mode 0600), or correct the path",
		secrets.Credential: "add LoadCredential=" + u.Ref.Name + ":PATH to the systemd unit",
		secrets.Stored:     "run `bearerd secret set " + u.Ref.Name + "`",
		secrets.Vault:      "put it there, or let the policy of bearerd's role read it",
	}[u.Ref.Kind]
	elsewhere := u.Ref.Kind == secrets.Env || u.Ref.Kind == secrets.Credential
	if elsewhere && d.running != nil {
		return warned(remedy, "%s: %v (that is so here; the daemon has an environment of its own)", u.What, err)
	}
	return bad(remedy, "%s: %v", u.What, err)
}
