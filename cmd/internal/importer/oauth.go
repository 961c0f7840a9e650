package importer

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"bearerd/cmd/internal/clients"
	"bearerd/config"
	"bearerd/secrets"
)

// oauth takes an oauth_config over, name by name.
func (c *conversion) oauth() error {
	if c.from.OAuth == nil {
		return nil
	}
	o := config.DefaultOAuth()
	target := reflect.ValueOf(o).Elem()
	for _, name := range slices.Sorted(maps.Keys(c.from.OAuth)) {
		field, ok := oauthField(target.Type(), name)
		if !ok {
			c.note("has no place in bearerd: %s", name)
			continue
		}
		if err := c.oauthValue(name, target.FieldByIndex(field.Index), field.Tag.Get("form"), c.from.OAuth[name]); err != nil {
			return err
		}
	}
	o.Scope = strings.Join(strings.Fields(o.Scope), " ")
	c.to.OAuth = o
	return nil
}

func oauthField(t reflect.Type, name string) (reflect.StructField, bool) {
	return t.FieldByNameFunc(func(field string) bool {
		f, _ := t.FieldByName(field)
		return f.Tag.Get("hcl") == name
	})
}

// oauthValue stores a value in a field of config.OAuth.
func (c *conversion) oauthValue(name string, field reflect.Value, form string, value any) (err error) {
	text := ""
	if t, ok := value.(clients.Text); ok {
		if _, secret := field.Interface().(secrets.Ref); !secret {
			if text, err = c.now(name, t); err != nil {
				return err
			}
		}
	}
	wrong := fmt.Errorf("%s has a value of the wrong type", name)
	switch p := field.Addr().Interface().(type) {
	case *string:
		if list, ok := value.([]clients.Text); ok {
			words, err := c.list(name, list)
			*p = strings.Join(words, " ")
			return err
		}
		if *p = c.endpoint(name, text); text == "" {
			*p, _ = scalar(value)
		}
	case *bool:
		if *p, err = truth(value, text); err != nil {
			return wrong
		}
	case **bool:
		yes, err := truth(value, text)
		if *p = &yes; err != nil {
			return wrong
		}
	case *int:
		number, _ := scalar(value)
		if *p, err = strconv.Atoi(strings.TrimSpace(number + text)); err != nil {
			return wrong
		}
	case *[]string:
		if list, ok := value.([]clients.Text); ok {
			*p, err = c.list(name, list)
			return err
		}
		if *p = []string{}; text != "" {
			*p = []string{text}
		}
	case *secrets.Ref:
		*p, err = c.oauthRef(name, form, value)
		return err
	case *map[string]secrets.Ref:
		m, ok := value.(map[string]clients.Text)
		if !ok {
			return wrong
		}
		*p, err = c.values(name, m)
		return err
	}
	return nil
}

// endpoint is an address, or another text as it is. What an address holds that is secret is told and not printed.
func (c *conversion) endpoint(name, text string) string {
	u, err := url.Parse(text)
	if !strings.Contains(text, "://") || err == nil && u.User == nil && !holdsSecret(u) {
		return text
	}
	if enabled, _ := c.from.OAuth["enabled"].(bool); err == nil && u.User != nil && !enabled {
		c.note("the user and password in %s are left out: OAUTH_CLIENT_ID and OAUTH_CLIENT_SECRET are for them", name)
		u.User = nil
		return c.endpoint(name, u.String())
	}
	c.note("%s looks as if it held a secret: it stays there, and the configuration holds it", name)
	c.hide(text, hidden)
	return text
}

// oauthRef is a secret, or the path of a file that holds a key or a certificate.
func (c *conversion) oauthRef(name, form string, value any) (secrets.Ref, error) {
	t, ok := value.(clients.Text)
	if !ok {
		return secrets.Ref{}, fmt.Errorf("%s has a value of the wrong type", name)
	}
	if form != "path" {
		return c.value("", name, t, true)
	}
	path, err := c.now(name, t)
	if path = c.path(path); err != nil || path == "" {
		return secrets.Ref{}, err
	}
	if !filepath.IsAbs(path) {
		return secrets.Ref{}, fmt.Errorf("%s is a relative path: write the whole path and import again", name)
	}
	return secrets.Ref{Kind: secrets.File, Name: path}, nil
}

func (c *conversion) list(name string, list []clients.Text) (words []string, err error) {
	words = []string{}
	outside := false
	for _, t := range list {
		word, err := c.now(name, t)
		if err != nil {
			return nil, err
		}
		_, put := c.cover[word]
		words, outside = append(words, word), outside || put
	}
	if outside {
		c.hide(strings.Join(words, " "), hidden)
	}
	return words, nil
}

// scalar is a number or a boolean as text.
func scalar(value any) (text string, ok bool) {
	switch v := value.(type) {
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// truth is a boolean, also one in quotes.
func truth(value any, text string) (bool, error) {
	if v, ok := value.(bool); ok {
		return v, nil
	}
	return strconv.ParseBool(strings.ToLower(strings.TrimSpace(text)))
}
