// The peer of the measurement: what a Go operator's admission webhook usually is, a controller-runtime server with
// a typed resource, a validator of three checks and a defaulter of three fields. It has no conflicts to look up.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager/signals"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

type limits struct {
	Namespace         string `json:"namespace,omitempty"`
	Pod               string `json:"pod,omitempty"`
	Container         string `json:"container,omitempty"`
	MaxCheckpoints    *int   `json:"maxCheckpoints,omitempty"`
	MaxCheckpointSize string `json:"maxCheckpointSize,omitempty"`
	MaxTotalSize      string `json:"maxTotalSize,omitempty"`
	TimeThreshold     string `json:"timeThreshold,omitempty"`
	KeepLast          *int   `json:"keepLast,omitempty"`
	RetainOrphan      *bool  `json:"retainOrphan,omitempty"`
	WhenFull          string `json:"whenFull,omitempty"`
	Checkpointing     string `json:"checkpointing,omitempty"`
}

type spec struct {
	CheckpointDirectory string   `json:"checkpointDirectory,omitempty"`
	OrphanGracePeriod   string   `json:"orphanGracePeriod,omitempty"`
	Tainted             string   `json:"tainted,omitempty"`
	NamespacePolicies   []limits `json:"namespacePolicies,omitempty"`
	PodPolicies         []limits `json:"podPolicies,omitempty"`
	ContainerPolicies   []limits `json:"containerPolicies,omitempty"`
}

// CheckpointRestoreOperator as far as the measurement's reviews fill it.
type CheckpointRestoreOperator struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              spec `json:"spec,omitempty"`
}

// DeepCopyObject is only called for the empty object that a review is decoded into.
func (in *CheckpointRestoreOperator) DeepCopyObject() runtime.Object {
	out := &CheckpointRestoreOperator{}
	text, err := json.Marshal(in)
	if err == nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		panic(err)
	}
	return out
}

type judge struct{}

func (judge) ValidateCreate(_ context.Context, object *CheckpointRestoreOperator) (admission.Warnings, error) {
	seen := map[string]bool{}
	for _, list := range [][]limits{object.Spec.NamespacePolicies, object.Spec.PodPolicies, object.Spec.ContainerPolicies} {
		for _, each := range list {
			if each.MaxCheckpoints != nil && *each.MaxCheckpoints < 0 {
				return nil, fmt.Errorf("maxCheckpoints is %d; write 0 or more", *each.MaxCheckpoints)
			}
			if each.Namespace == "" {
				return nil, fmt.Errorf("namespace is missing")
			}
			target := each.Namespace + "/" + each.Pod + "/" + each.Container
			if seen[target] {
				return nil, fmt.Errorf("two policies are for %s", target)
			}
			seen[target] = true
		}
	}
	return nil, nil
}

func (v judge) ValidateUpdate(ctx context.Context, _, object *CheckpointRestoreOperator) (admission.Warnings, error) {
	return v.ValidateCreate(ctx, object)
}

func (judge) ValidateDelete(context.Context, *CheckpointRestoreOperator) (admission.Warnings, error) {
	return nil, nil
}

func (judge) Default(_ context.Context, object *CheckpointRestoreOperator) error {
	if object.Spec.CheckpointDirectory == "" {
		object.Spec.CheckpointDirectory = "/var/lib/kubelet/checkpoints"
	}
	if object.Spec.OrphanGracePeriod == "" {
		object.Spec.OrphanGracePeriod = "10m"
	}
	if object.Spec.Tainted == "" {
		object.Spec.Tainted = "Keep"
	}
	return nil
}

// Arguments: port, directory with tls.crt and tls.key.
func main() {
	log.SetLogger(zap.New())
	port, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	scheme := runtime.NewScheme()
	version := schema.GroupVersion{Group: "criu.org", Version: "v1"}
	scheme.AddKnownTypes(version, &CheckpointRestoreOperator{})
	metav1.AddToGroupVersion(scheme, version)
	server := webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: port, CertDir: os.Args[2]})
	server.Register("/validate", admission.WithValidator(scheme, judge{}))
	server.Register("/mutate", admission.WithDefaulter(scheme, judge{}))
	if err := server.Start(signals.SetupSignalHandler()); err != nil {
		panic(err)
	}
}
