package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// bill writes what a program is made of, as CycloneDX: the modules that Go has linked into it, by its own account.
func (r *release) bill(t target) error {
	info, err := buildinfo.ReadFile(r.binary(t))
	if err != nil {
		return err
	}
	program, err := os.ReadFile(r.binary(t))
	if err != nil {
		return err
	}
	self := cdx.Component{
		BOMRef: "bearerd", Type: cdx.ComponentTypeApplication, Name: "bearerd", Version: r.version, PackageURL: "pkg:generic/bearerd@" + r.version,
		Licenses: &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}},
		Hashes:   &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: fmt.Sprintf("%x", sha256.Sum256(program))}},
		Properties: &[]cdx.Property{
			{Name: "go:version", Value: info.GoVersion}, {Name: "go:os", Value: t.os}, {Name: "go:arch", Value: t.arch},
		},
	}
	std := "pkg:golang/std@" + info.GoVersion[len("go"):]
	parts := []cdx.Component{
		{BOMRef: std, Type: cdx.ComponentTypeLibrary, Name: "std", Version: info.GoVersion[len("go"):], PackageURL: std},
	}
	refs := []string{std}
	for _, module := range info.Deps {
		c := component(module)
		parts = append(parts, c)
		refs = append(refs, c.BOMRef)
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Timestamp: r.when.Format(time.RFC3339), Component: &self}
	bom.Components = &parts
	bom.Dependencies = &[]cdx.Dependency{{Ref: "bearerd", Dependencies: &refs}}
	return r.write(r.name(t)+".cdx.json", func(w io.Writer) error {
		return cdx.NewBOMEncoder(w, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6)
	})
}

// component is a module; its h1 sum is what go.sum has of it, no hash that CycloneDX knows.
func component(m *debug.Module) cdx.Component {
	if m.Replace != nil {
		m = m.Replace
	}
	purl := "pkg:golang/" + strings.ToLower(m.Path) + "@" + strings.ReplaceAll(m.Version, "+", "%2B")
	return cdx.Component{
		BOMRef: purl, Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: purl,
		Properties: &[]cdx.Property{{Name: "go:sum", Value: m.Sum}},
	}
}
