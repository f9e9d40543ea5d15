package main
import ("testing";"context";"os")
func TestMain(m *testing.M){ if len(os.Args)==2&&os.Args[1]=="upstream"{ if err:=serveUpstream(context.Background(),os.Stdin,os.Stdout);err!=nil{panic(err)};os.Exit(0)}; os.Exit(m.Run())}
func benchOp(b *testing.B, name string){
 p,_:=newParties(); up,err:=startUpstream(context.Background(),p); if err!=nil{b.Fatal(err)}; defer up.stop()
 all,err:=contenders(p,up.reach()); if err!=nil{b.Fatal(err)}
 for _,c:=range all{ if c.name==name{ b.ReportAllocs(); for b.Loop(){ if err:=c.unsigned(context.Background());err!=nil{b.Fatal(err)} } } }
}
func BenchmarkPlain(b *testing.B){benchOp(b,plainName)}
func BenchmarkLib(b *testing.B){benchOp(b,libraryName)}
func BenchmarkOff(b *testing.B){benchOp(b,officialTunedName)}
