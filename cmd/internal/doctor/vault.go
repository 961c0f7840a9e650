package doctor

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"bearerd/secrets"
	"bearerd/secrets/vault"
)

// vault logs in, as far as that spends nothing, and looks at the engines.
func (d *Doctor) vault(ctx context.Context, ch *chart) {
	if d.config.Vault == nil {
		return
	}
	r := ch.take("vault", func() finding {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return d.lookAtVault(ctx)
	})
	if r == Failed || r == Skipped {
		if d.noVault == nil {
			d.noVault = errors.New("not asked, as Vault cannot be used")
		}
		d.unasked = cmp.Or(d.unasked, "vault")
		if d.config.Shared != nil && d.broken == "" {
			d.broken = "vault"
		}
	}
}

func (d *Doctor) lookAtVault(ctx context.Context) finding {
	conn := d.config.Vault
	near := &secrets.Resolver{Store: d.local}
	for _, u := range VaultUses(conn) {
		if u.Ref.Kind == secrets.Stored && d.broken != "" {
			d.unasked = d.broken
			return skipped("", "%s: not looked at because of %s", u.What, d.broken)
		}
		if _, err := near.ResolveText(ctx, u.Ref); err != nil {
			return bad("put the value where the reference in the vault block looks for it", "%s: %v", u.What, err)
		}
	}
	if conn.Auth.Wrapped {
		d.noVault = errors.New("not asked, as its secret_id is wrapped")
		return skipped("", "not asked: the wrapped secret_id is for the first start alone; `bearerd status` tells how the daemon fares")
	}
	client, err := vault.Open(conn, near, nil, nil)
	if err != nil {
		return bad("mend the vault block", "%v", err)
	}
	d.client = client
	if err := client.Verify(ctx, conn.Mount); err != nil {
		return d.vaultFault(err)
	}
	sh := d.config.Shared
	if sh == nil {
		return good("%s, login by %s, engine %s", conn.Address, conn.Auth.Method, conn.Mount)
	}
	if err := client.Verify(ctx, sh.Mount); err != nil {
		return d.vaultFault(err)
	}
	for _, s := range d.config.Servers[:min(1, len(d.config.Servers))] {
		_, _, err := client.Store(sh.Mount, sh.Prefix).Get(ctx, "grant/"+s.Name)
		if err != nil && !errors.Is(err, secrets.ErrNotFound) {
			return d.vaultFault(err)
		}
	}
	return good("%s, login by %s, tokens at %s/%s", conn.Address, conn.Auth.Method, sh.Mount, sh.Prefix)
}

func (d *Doctor) vaultFault(err error) finding {
	text := err.Error()
	switch {
	case errors.Is(err, vault.ErrEngine):
		return bad("write the mount of a KV v2 engine, or have one mounted there", "%s", text)
	case strings.Contains(text, "is sealed"):
		return bad("unseal it: `vault operator unseal`; bearerd goes on by itself then", "%s", text)
	case errors.Is(err, secrets.ErrUnavailable):
		return bad("verify address (and ca_path) in the vault block, and that Vault runs", "%s", text)
	}
	return bad("verify the auth block, its role and the policies of that role: `bearerd check` names what they must hold", "%s", text)
}
