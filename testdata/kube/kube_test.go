// Package kube decodes the example for Kubernetes with the types of its API, and looks at what it promises. It is a module of
// its own, so that bearerd does not depend on them.
package kube

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	network "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"
)

// objects are those of the manifest.
type objects struct {
	account    core.ServiceAccount
	config     core.ConfigMap
	deployment apps.Deployment
	policy     network.NetworkPolicy
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile("../../examples/" + path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decode takes no field that the API does not have, and none twice.
func decode(t *testing.T) (o objects) {
	t.Helper()
	want := map[string]any{
		"v1/ServiceAccount": &o.account, "v1/ConfigMap": &o.config,
		"apps/v1/Deployment": &o.deployment, "networking.k8s.io/v1/NetworkPolicy": &o.policy,
	}
	for _, text := range bytes.Split(read(t, "kubernetes/bearerd.yaml"), []byte("\n---\n")) {
		var kind struct {
			meta.TypeMeta `json:",inline"`
			Metadata      meta.ObjectMeta `json:"metadata"`
		}
		if err := yaml.Unmarshal(text, &kind); err != nil {
			t.Fatal(err)
		}
		name := kind.APIVersion + "/" + kind.Kind
		if want[name] == nil {
			t.Fatalf("an object that is not expected, or twice: %q", name)
		}
		if err := yaml.UnmarshalStrict(text, want[name]); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if wrong := validation.IsDNS1123Subdomain(kind.Metadata.Name); wrong != nil || kind.Metadata.Namespace != "mcp" {
			t.Errorf("%s: name %q in namespace %q: %v", name, kind.Metadata.Name, kind.Metadata.Namespace, wrong)
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Fatalf("the manifest lacks %v", want)
	}
	return o
}

func sidecar(t *testing.T, o objects) core.Container {
	t.Helper()
	init := o.deployment.Spec.Template.Spec.InitContainers
	if len(init) != 1 || init[0].RestartPolicy == nil || *init[0].RestartPolicy != core.ContainerRestartPolicyAlways {
		t.Fatalf("no native sidecar: %+v", init)
	}
	return init[0]
}

func TestPodHasNoRightThatItDoesNotNeed(t *testing.T) {
	o := decode(t)
	pod := o.deployment.Spec.Template.Spec
	if s := pod.SecurityContext; s == nil || !*s.RunAsNonRoot || *s.RunAsUser == 0 || s.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
		t.Errorf("the pod: %+v", s)
	}
	for _, mount := range []*bool{pod.AutomountServiceAccountToken, o.account.AutomountServiceAccountToken} {
		if mount == nil || *mount {
			t.Error("a token of the service account for the cluster's API is mounted")
		}
	}
	for _, c := range append(pod.InitContainers, pod.Containers...) {
		s := c.SecurityContext
		if s == nil || !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation ||
			!slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
			t.Errorf("%s: %+v", c.Name, s)
		}
		if c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
			t.Errorf("%s: no bound for memory", c.Name)
		}
	}
}

// Every mount has its volume; only the state folder can be written, and it is in memory.
func TestVolumes(t *testing.T) {
	o := decode(t)
	volumes := map[string]core.Volume{}
	for _, v := range o.deployment.Spec.Template.Spec.Volumes {
		volumes[v.Name] = v
	}
	config := o.config.Data["bearerd.hcl"]
	for _, e := range sidecar(t, o).Env {
		config += fmt.Sprintf("%q", e.Value)
	}
	for _, m := range sidecar(t, o).VolumeMounts {
		v, found := volumes[m.Name]
		delete(volumes, m.Name)
		switch {
		case !found:
			t.Errorf("%s: there is no such volume", m.Name)
		case m.Name == "state":
			if v.EmptyDir == nil || v.EmptyDir.Medium != core.StorageMediumMemory {
				t.Errorf("the state folder is not in memory: %+v", v)
			}
		case !m.ReadOnly:
			t.Errorf("%s can be written", m.Name)
		}
		if m.Name != "config" && !strings.Contains(config, `"`+m.MountPath+`/`) {
			t.Errorf("the configuration refers to nothing in %s", m.MountPath)
		}
	}
	if len(volumes) > 0 {
		t.Errorf("volumes that nothing mounts: %v", volumes)
	}
}

// The names in the manifest are those of the role in Vault.
func TestVaultLogin(t *testing.T) {
	o := decode(t)
	pod := o.deployment.Spec.Template.Spec
	var audience string
	for _, v := range pod.Volumes {
		if v.Projected != nil {
			audience = v.Projected.Sources[0].ServiceAccountToken.Audience
		}
	}
	role := " bound_service_account_names=" + pod.ServiceAccountName + " bound_service_account_namespaces=" + o.deployment.Namespace +
		" audience=" + audience + " "
	for _, path := range []string{"vault-kubernetes/README.md", "vault-approle/SETUP.md"} {
		if !strings.Contains(string(read(t, path)), role) {
			t.Errorf("%s makes no role with%s", path, role)
		}
	}
	if pod.ServiceAccountName != o.account.Name {
		t.Errorf("the pod is %s, the account %s", pod.ServiceAccountName, o.account.Name)
	}
}

func TestProbesAskWhereBearerdListens(t *testing.T) {
	o := decode(t)
	c := sidecar(t, o)
	if len(c.Ports) != 1 || !strings.Contains(o.config.Data["bearerd.hcl"], `metrics_listen = "0.0.0.0:7414"`) || c.Ports[0].ContainerPort != 7414 {
		t.Errorf("metrics_listen is not at %v", c.Ports)
	}
	for path, p := range map[string]*core.Probe{"/readyz": c.StartupProbe, "/readyz ": c.ReadinessProbe, "/livez": c.LivenessProbe} {
		if p == nil || p.HTTPGet == nil || p.HTTPGet.Path != strings.TrimSpace(path) || p.HTTPGet.Port.String() != c.Ports[0].Name {
			t.Errorf("%s: %+v", path, p)
		}
	}
}

// The policy is for the pods of the deployment, closes both directions, and opens no more than it says.
func TestNetworkPolicy(t *testing.T) {
	o := decode(t)
	labels := o.deployment.Spec.Template.Labels
	for _, s := range []*meta.LabelSelector{o.deployment.Spec.Selector, &o.policy.Spec.PodSelector} {
		selector, err := meta.LabelSelectorAsMap(s)
		if err != nil || len(selector) != 1 || selector["app"] != labels["app"] {
			t.Errorf("%v selects other pods than %v: %v", s, labels, err)
		}
	}
	if !slices.Equal(o.policy.Spec.PolicyTypes, []network.PolicyType{network.PolicyTypeIngress, network.PolicyTypeEgress}) {
		t.Errorf("closes %v alone", o.policy.Spec.PolicyTypes)
	}
	var open []int32
	for _, rule := range o.policy.Spec.Ingress {
		if len(rule.From) == 0 {
			t.Error("a way in from everywhere")
		}
		for _, p := range rule.Ports {
			open = append(open, p.Port.IntVal)
		}
	}
	for _, rule := range o.policy.Spec.Egress {
		if len(rule.To) == 0 || len(rule.Ports) == 0 {
			t.Error("a way out to everywhere")
		}
		for _, p := range rule.Ports {
			open = append(open, p.Port.IntVal)
		}
	}
	if !slices.Equal(open, []int32{7414, 53, 53, 8200, 443}) {
		t.Errorf("open ports: %v", open)
	}
}

// The operator's own type is not worth its module: what is used of it is here.
func TestPodMonitor(t *testing.T) {
	o := decode(t)
	var monitor struct {
		meta.TypeMeta `json:",inline"`
		Metadata      meta.ObjectMeta `json:"metadata"`
		Spec          struct {
			Selector  meta.LabelSelector `json:"selector"`
			Endpoints []struct {
				Port          string `json:"port"`
				Authorization struct {
					Credentials core.SecretKeySelector `json:"credentials"`
				} `json:"authorization"`
			} `json:"podMetricsEndpoints"`
		} `json:"spec"`
	}
	if err := yaml.UnmarshalStrict(read(t, "kubernetes/podmonitor.yaml"), &monitor); err != nil {
		t.Fatal(err)
	}
	e := monitor.Spec.Endpoints
	if len(e) != 1 || e[0].Port != sidecar(t, o).Ports[0].Name || monitor.Spec.Selector.MatchLabels["app"] != o.deployment.Spec.Template.Labels["app"] {
		t.Errorf("it does not scrape the sidecar: %+v", monitor.Spec)
	}
	for _, v := range o.deployment.Spec.Template.Spec.Volumes {
		if v.Secret != nil && v.Secret.SecretName != e[0].Authorization.Credentials.Name {
			t.Errorf("bearerd has its key from %s, Prometheus from %s", v.Secret.SecretName, e[0].Authorization.Credentials.Name)
		}
	}
}
