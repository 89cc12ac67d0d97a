import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** Records random programs: reads one case a line, and answers each with the recorded case, or with what was thrown. */
public final class Server {
    private Server() {}

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(System.err); // nobody else writes there
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            ObjectNode kase = (ObjectNode) Recorder.JSON.readTree(line);
            ObjectNode recorded;
            try {
                recorded = Recorder.record(kase, b -> RandomProgram.write(b, kase.get("program")), Map.of());
                recorded.set("program", kase.get("program"));
            } catch (RuntimeException | Recorder.TooLong e) {
                Throwable root = e;
                while (root.getCause() != null) {
                    root = root.getCause();
                }
                recorded = Recorder.JSON.createObjectNode().put("thrown", e + " because of " + root);
            }
            out.println(recorded);
        }
    }
}
