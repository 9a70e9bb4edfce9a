package io.github.paybell;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.locks.LockSupport;

/** An app that follows an order: Follow GATEWAY ORDER TOKENS FIRST-BYTE SILENCE LEAVES. A line for each callback
 *  goes out; a line in is "stop" (the app goes to the background) or "start". Where LEAVES is true it stops with the
 *  first state, in a moment. */
final class Follow {
    private Follow() {}

    public static void main(String[] args) throws IOException {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        ExecutorService callbacks = Executors.newSingleThreadExecutor();
        PaybellOrder[] leave = new PaybellOrder[1];
        PaybellOrder watch = new PaybellOrder(args[0], args[1], () -> get(args[2]), callbacks,
                state -> {
                    out.println("state " + state);
                    if (leave[0] != null) {
                        LockSupport.parkNanos(300_000_000); // while the next state comes
                        leave[0].stop();
                        out.println("left");
                        leave[0] = null;
                    }
                },
                problem -> out.println("end " + problem));
        if (Boolean.parseBoolean(args[5])) leave[0] = watch;
        watch.firstByte = Integer.parseInt(args[3]);
        watch.silence = Integer.parseInt(args[4]);
        watch.start();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = in.readLine()) != null; ) {
            boolean start = line.equals("start");
            callbacks.execute(() -> {
                if (start) watch.start();
                else watch.stop();
                out.println(start ? "started" : "stopped");
            });
        }
        System.exit(0);
    }

    private static String get(String address) throws IOException {
        HttpURLConnection http = (HttpURLConnection) new URL(address).openConnection();
        http.setConnectTimeout(5000);
        http.setReadTimeout(5000);
        if (http.getResponseCode() != 200) throw new IOException("HTTP " + http.getResponseCode());
        try (BufferedReader body = new BufferedReader(new InputStreamReader(http.getInputStream(), StandardCharsets.UTF_8))) {
            return body.readLine();
        }
    }
}
