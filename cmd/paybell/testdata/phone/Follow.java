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

/** An app that follows an order: Follow GATEWAY ORDER TOKENS FIRST-BYTE SILENCE. A line for each callback goes
 *  out; a line in is "stop" (the app goes to the background) or "start". */
final class Follow {
    private Follow() {}

    public static void main(String[] args) throws IOException {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        ExecutorService callbacks = Executors.newSingleThreadExecutor();
        PaybellOrder watch = new PaybellOrder(args[0], args[1], () -> get(args[2]), callbacks,
                state -> out.println("state " + state),
                problem -> out.println("end " + problem));
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
